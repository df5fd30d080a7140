//! What libtest has and libtest-mimic lacks: `--no-capture`, several filters, `--fail-fast`,
//! `--shuffle`, and the `RUST_TEST_*` variables. Everything else is passed on.

use libtest_mimic::Arguments;
use std::ffi::OsString;

/// How a run was asked for.
#[derive(Debug)]
pub struct Front {
    /// What libtest-mimic gets to see.
    pub arguments: Arguments,
    /// A test is selected if its name contains any of these (or is one of them, with `--exact`).
    /// Empty when at most one filter was given, which libtest-mimic handles by itself.
    pub filters: Vec<String>,
    /// No new test is started after the first failure.
    pub fail_fast: bool,
    /// The seed of a random order.
    pub shuffle: Option<u64>,
    /// Reports of passing tests go to standard error as well.
    pub no_capture: bool,
}

impl Front {
    /// Reads a command line (without the program's name) and the environment, given as a function
    /// so that tests need not change it.
    ///
    /// # Errors
    /// A sentence about an option that cannot be understood.
    pub fn read(
        words: impl IntoIterator<Item = OsString>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let mut front = Sorted::default();
        front.take(words)?;
        let set = |name: &str| variable(name).is_some_and(|value| value != "0");
        if front.shuffle.is_none() && set("RUST_TEST_SHUFFLE") {
            front.shuffle = Some(time_seed());
        }
        if let Some(seed) = variable("RUST_TEST_SHUFFLE_SEED") {
            front.shuffle = Some(number("RUST_TEST_SHUFFLE_SEED", &seed)?);
        }
        if let Some(threads) = variable("RUST_TEST_THREADS").filter(|_| !front.threads_given) {
            let threads = number("RUST_TEST_THREADS", &threads)?;
            front.passed_on.push(format!("--test-threads={threads}"));
        }
        if let [only] = front.filters.as_slice() {
            front.passed_on.push(only.clone());
            front.filters.clear();
        }
        let words = std::iter::once("scenarios".to_owned()).chain(front.passed_on);
        Ok(Self {
            arguments: Arguments::from_iter(words),
            filters: front.filters,
            fail_fast: front.fail_fast,
            shuffle: front.shuffle,
            no_capture: front.no_capture || set("RUST_TEST_NOCAPTURE"),
        })
    }

    /// Whether the filters that this front handles select a name.
    #[must_use]
    pub fn selects(&self, name: &str) -> bool {
        self.filters.is_empty()
            || self.filters.iter().any(|filter| {
                if self.arguments.exact { name == filter } else { name.contains(filter.as_str()) }
            })
    }

    /// Whether any filter, of this front or of libtest-mimic, selects a name.
    #[must_use]
    pub fn wants(&self, name: &str) -> bool {
        let fits = |filter: &String| match self.arguments.exact {
            true => name == filter,
            false => name.contains(filter.as_str()),
        };
        self.selects(name) && self.arguments.filter.as_ref().is_none_or(fits)
    }
}

#[derive(Default)]
struct Sorted {
    passed_on: Vec<String>,
    filters: Vec<String>,
    fail_fast: bool,
    shuffle: Option<u64>,
    no_capture: bool,
    threads_given: bool,
}

impl Sorted {
    fn take(&mut self, words: impl IntoIterator<Item = OsString>) -> Result<(), String> {
        /// Options whose value is a word of its own.
        const WITH_VALUE: &[&str] =
            &["--test-threads", "--skip", "--logfile", "--color", "--format", "-Z"];
        let mut words = words.into_iter().map(|word| {
            word.into_string().map_err(|word| format!("found {}, expected text", word.display()))
        });
        while let Some(word) = words.next() {
            let word = word?;
            match word.as_str() {
                "--no-capture" | "--nocapture" => self.no_capture = true,
                "--fail-fast" => self.fail_fast = true,
                "--shuffle" => self.shuffle = Some(time_seed()),
                "--shuffle-seed" => {
                    let value = words.next().transpose()?.unwrap_or_default();
                    self.shuffle = Some(number("--shuffle-seed", &value)?);
                }
                _ if word.starts_with("--shuffle-seed=") => {
                    let value = word.trim_start_matches("--shuffle-seed=");
                    self.shuffle = Some(number("--shuffle-seed", value)?);
                }
                option if WITH_VALUE.contains(&option) => {
                    self.threads_given |= option == "--test-threads";
                    self.passed_on.push(word);
                    self.passed_on.extend(words.next().transpose()?);
                }
                option if option.starts_with('-') => {
                    self.threads_given |= option.starts_with("--test-threads=");
                    self.passed_on.push(word);
                }
                _ => self.filters.push(word),
            }
        }
        Ok(())
    }
}

fn number(name: &str, text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{name}: found \"{text}\", expected a number"))
}

fn time_seed() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |time| u64::from(time.subsec_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn front(words: &[&str], variables: &[(&str, &str)]) -> Result<Front, String> {
        Front::read(words.iter().map(OsString::from), |name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn options_of_libtest_are_understood() {
        let read = front(&["--no-capture", "--fail-fast", "--shuffle-seed", "7", "a", "b"], &[])
            .expect("a front");
        assert!(read.no_capture && read.fail_fast);
        assert_eq!(read.shuffle, Some(7));
        assert!(read.selects("xax") && read.selects("b") && !read.selects("c"));
        assert!(read.arguments.filter.is_none());
    }

    #[test]
    fn one_filter_and_unknown_options_go_to_libtest_mimic() {
        let read = front(&["--exact", "a::b", "--skip", "c"], &[]).expect("a front");
        assert_eq!(read.arguments.filter.as_deref(), Some("a::b"));
        assert!(read.arguments.exact && read.filters.is_empty());
        assert_eq!(read.arguments.skip, ["c"]);
    }

    #[test]
    fn variables_count_unless_the_command_line_says_otherwise() {
        let threads = [("RUST_TEST_THREADS", "3"), ("RUST_TEST_SHUFFLE_SEED", "5")];
        let read = front(&[], &threads).expect("a front");
        assert_eq!((read.arguments.test_threads, read.shuffle), (Some(3), Some(5)));
        let read = front(&["--test-threads", "1"], &threads).expect("a front");
        assert_eq!(read.arguments.test_threads, Some(1));
        assert!(front(&[], &[("RUST_TEST_THREADS", "many")]).is_err());
    }
}
