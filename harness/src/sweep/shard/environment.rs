//! The shard that whatever started this process meant, by its standard variables:
//!
//! * Slurm, a job of an array: `SLURM_ARRAY_TASK_ID`, `_MIN`, `_STEP` and `_COUNT` (sbatch(1),
//!   "OUTPUT ENVIRONMENT VARIABLES");
//! * Kubernetes, a pod of an indexed job: `JOB_COMPLETION_INDEX` from 0 (Kubernetes documentation,
//!   "Jobs"), and [`COUNT_VARIABLE`], since Kubernetes has none for the number of completions.
//!
//! nextest has no variables for its partitions: it chooses among tests.

use super::Shard;

/// How many shards there are, where whatever starts them does not say.
pub const COUNT_VARIABLE: &str = "CRASHRIG_SHARDS";

/// Variables that do not fit each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read the shard from the environment: {0}; --shard I/N says it outright")]
pub struct BadVariables(String);

/// The shard that the variables name; `None` without any.
///
/// # Errors
/// Some are there, and make no shard.
pub fn shard(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Shard>, BadVariables> {
    let number = |name: &str| number(name, variable(name));
    let needed = |name: &str| number(name)?.ok_or_else(|| missing(name));
    if let Some(id) = number("SLURM_ARRAY_TASK_ID")? {
        let min = needed("SLURM_ARRAY_TASK_MIN")?;
        let count = needed("SLURM_ARRAY_TASK_COUNT")?;
        let step = number("SLURM_ARRAY_TASK_STEP")?.unwrap_or(1).max(1);
        let place = id.checked_sub(min).filter(|distance| distance.is_multiple_of(step));
        let shard = place.and_then(|distance| Shard::new(distance / step + 1, count));
        let gaps = format!(
            "found task {id} of {count} from {min} in steps of {step}, expected an array without \
             gaps"
        );
        return shard.map(Some).ok_or(BadVariables(gaps));
    }
    if let Some(index) = number("JOB_COMPLETION_INDEX")? {
        let count = needed(COUNT_VARIABLE)?;
        let shard = Shard::new(index.saturating_add(1), count);
        let problem = format!(
            "found JOB_COMPLETION_INDEX {index}, expected 0 to {COUNT_VARIABLE} - 1, which is \
             {count} - 1"
        );
        return shard.map(Some).ok_or(BadVariables(problem));
    }
    Ok(None)
}

fn number(name: &str, text: Option<String>) -> Result<Option<u64>, BadVariables> {
    let parse = |text: String| {
        text.trim().parse().map_err(|_| {
            BadVariables(format!("found {name} \"{text}\", expected a number from 0 on"))
        })
    };
    text.map(parse).transpose()
}

fn missing(name: &str) -> BadVariables {
    BadVariables(format!("found no {name}, expected a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(variables: &[(&str, &str)], expected: Result<Option<&str>, &str>) {
        let found = shard(|name| {
            let value = variables.iter().find(|(known, _)| *known == name);
            value.map(|(_, value)| (*value).to_owned())
        });
        let found = found.map(|shard| shard.map(|shard| shard.to_string()));
        let frame = |text| {
            format!("read the shard from the environment: {text}; --shard I/N says it outright")
        };
        let expected = expected.map(|text| text.map(str::to_owned)).map_err(frame);
        assert_eq!(found.map_err(|error| error.to_string()), expected);
    }

    fn slurm(id: &str, min: &str, step: &str, count: &str, expected: Result<Option<&str>, &str>) {
        let names = ["ID", "MIN", "STEP", "COUNT"].map(|name| format!("SLURM_ARRAY_TASK_{name}"));
        let values = [id, min, step, count];
        let pairs: Vec<_> = names.iter().map(String::as_str).zip(values).collect();
        check(&pairs, expected);
    }

    #[test]
    fn each_kind_of_variables_names_a_shard() {
        check(&[], Ok(None));
        check(&[("CRASHRIG_SHARDS", "4")], Ok(None));
        slurm("1", "1", "1", "4", Ok(Some("1/4")));
        slurm("3", "0", "1", "4", Ok(Some("4/4")));
        slurm("14", "10", "2", "4", Ok(Some("3/4")));
        let variables = [("JOB_COMPLETION_INDEX", "0"), ("CRASHRIG_SHARDS", "4")];
        check(&variables, Ok(Some("1/4")));
    }

    #[test]
    fn variables_that_make_no_shard_are_refused() {
        let gaps = |id, min, step, count| {
            format!(
                "found task {id} of {count} from {min} in steps of {step}, expected an array \
                 without gaps"
            )
        };
        slurm("15", "10", "2", "4", Err(&gaps(15, 10, 2, 4)));
        slurm("7", "1", "1", "3", Err(&gaps(7, 1, 1, 3)));
        slurm("0", "1", "1", "3", Err(&gaps(0, 1, 1, 3)));
        let text = "found SLURM_ARRAY_TASK_ID \"one\", expected a number from 0 on";
        slurm("one", "1", "1", "3", Err(text));
        let text = "found no SLURM_ARRAY_TASK_MIN, expected a number";
        check(&[("SLURM_ARRAY_TASK_ID", "1")], Err(text));
        let text = "found no CRASHRIG_SHARDS, expected a number";
        check(&[("JOB_COMPLETION_INDEX", "1")], Err(text));
        let variables = [("JOB_COMPLETION_INDEX", "4"), ("CRASHRIG_SHARDS", "4")];
        let text =
            "found JOB_COMPLETION_INDEX 4, expected 0 to CRASHRIG_SHARDS - 1, which is 4 - 1";
        check(&variables, Err(text));
    }
}
