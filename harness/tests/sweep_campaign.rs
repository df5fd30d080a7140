//! A campaign against real firmware: stopped, killed ten times at random moments, and each of its
//! points run again by itself, it comes to the same results.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop anywhere")]

use crashrig_harness::exit;
use crashrig_harness::noise::Noise;
use crashrig_harness::rig::{Rig, seed};
use crashrig_harness::sweep::result::InjectionResult;
use crashrig_harness::sweep::store::shard_files;
use crashrig_harness::sweep::store::table::Table;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const KILLS: usize = 10;
/// So many points that a fast machine is not through between two kills.
const POINTS: usize = 600;
/// How long a campaign may take to its next result on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(120);

/// Some bits of the record, whatever becomes of them: it is the campaign that is looked at.
fn sweep_file(folder: &Path) -> PathBuf {
    let shipped = Rig::here().workspace.join("scenarios/sweep/record_bits.toml");
    let mut scenario: toml::Table = fs::read_to_string(shipped).unwrap().parse().unwrap();
    let allowed = ["silent-data-corruption", "detected-misattributed", "latent", "hang"];
    let allowed = allowed.map(|outcome| {
        toml::Table::from_iter([
            ("outcome".to_owned(), outcome.into()),
            ("reason".to_owned(), "it is the campaign that is looked at".into()),
        ])
    });
    let sample = toml::Table::from_iter([
        ("count".to_owned(), toml::Value::Integer(POINTS as i64)),
        ("seed".to_owned(), 7.into()),
    ]);
    let sweep = scenario["sweep"].as_table_mut().unwrap();
    sweep.insert("subject".to_owned(), "other".into());
    sweep.insert("allow".to_owned(), toml::Value::try_from(allowed).unwrap());
    sweep.insert("sample".to_owned(), sample.into());
    fs::create_dir(folder.join("sweep")).unwrap();
    let file = folder.join("sweep/some_bits.toml");
    fs::write(&file, scenario.to_string()).unwrap();
    file
}

/// One campaign: a file, and a folder for its results.
struct Campaign {
    file: PathBuf,
    out: PathBuf,
}

impl Campaign {
    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_crashrig"));
        command.arg("sweep").arg(&self.file).arg("--out").arg(&self.out);
        ["SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX"].iter().for_each(|name| {
            command.env_remove(name);
        });
        command
    }

    fn start(&self) -> Child {
        let mut command = self.command();
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn finish(&self) {
        let output = self.command().output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(i32::from(exit::PASS)), "{text}");
    }

    fn file_of_results(&self) -> Option<PathBuf> {
        let folder = fs::read_dir(&self.out).ok()?.next()?.unwrap().path();
        shard_files(&folder).unwrap().pop()
    }

    /// Whole lines with results.
    fn results(&self) -> usize {
        let text = self.file_of_results().map_or(Vec::new(), |path| fs::read(path).unwrap());
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        lines.filter(|line| line.starts_with(b"{\"result\"") && line.ends_with(b"\n")).count()
    }

    /// Waits for more results than there were; whether the campaign is still there then.
    fn wait_for_results(&self, child: &mut Child, before: usize) -> bool {
        let start = Instant::now();
        while self.results() <= before {
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(start.elapsed() < PATIENCE, "no result in {} s", PATIENCE.as_secs());
            sleep(Duration::from_millis(1));
        }
        true
    }

    fn table(&self) -> Vec<InjectionResult> {
        let mut table = Table::in_memory().unwrap();
        table.merge_file(&self.file_of_results().unwrap()).unwrap();
        let mut rows = Vec::new();
        for sweep in table.sweeps().unwrap() {
            let mut keep = |result| {
                rows.push(result);
                Ok(())
            };
            table.each_result(&sweep.id, &mut keep).unwrap();
        }
        rows
    }
}

#[test]
fn killed_ten_times_it_ends_with_the_table_of_one_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = sweep_file(folder.path());
    let killed = Campaign { file: file.clone(), out: folder.path().join("killed") };
    let alone = Campaign { file, out: folder.path().join("alone") };
    let seed = seed().unwrap();
    println!("seed {seed:#x}");
    let mut noise = Noise::new(seed);
    for kill in 0..KILLS {
        let before = killed.results();
        let mut child = killed.start();
        // Every other time it is killed while it injects, else while it does whatever it does.
        if kill % 2 == 0 {
            assert!(killed.wait_for_results(&mut child, before), "it was over before kill {kill}");
            sleep(Duration::from_millis(u64::from(noise.below(50))));
        } else {
            sleep(Duration::from_millis(u64::from(noise.below(400))));
        }
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9), "it was over before kill {kill}");
        assert!(killed.results() >= before, "results were lost by kill {kill}");
    }
    killed.finish();
    alone.finish();
    let table = alone.table();
    assert_eq!(table.len(), POINTS);
    assert_eq!(killed.table(), table);
    assert_eq!(killed.results(), POINTS, "nothing that was over was run again");
}

#[test]
fn told_to_stop_it_says_how_to_go_on_and_its_points_can_be_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = sweep_file(folder.path());
    let campaign = Campaign { file, out: folder.path().join("stopped") };
    let mut child = campaign.start();
    assert!(campaign.wait_for_results(&mut child, 0));
    let told = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(told.success());
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(i32::from(exit::INTERRUPTED)), "{text}");
    let command = format!("cargo rig sweep {} --out", campaign.file.display());
    assert!(text.contains("To go on:") && text.contains(&command), "{text}");
    assert!((1..POINTS).contains(&campaign.results()));
    // The first that is over, again: the same line.
    let expected = campaign.table().swap_remove(0);
    let mut again = Command::new(env!("CARGO_BIN_EXE_crashrig"));
    again.arg("sweep").arg(&campaign.file).args(["--json", "--only"]);
    again.arg(expected.point.0.to_string()).args(["--scope", &expected.scope.to_string()]);
    let output = again.output().unwrap();
    let found: InjectionResult = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found, expected);
}
