//! The background checker of the Python tooling on this machine (spec 05 §6.3). While it runs, it handles the
//! approval.

use std::path::PathBuf;

use crate::config::Environment;
use crate::error::ErrorClass;
use crate::files;
use crate::flow::holder;
use crate::flow::outcome::Refusal;
use crate::version::ReleaseVersion;

/// The largest lock file that is read, in bytes: it holds a number.
const LARGEST_LOCK: u64 = 1024;

/// A running checker.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Checker {
    process: u32,
    lock: PathBuf,
}

/// Refuses to act on `release` while a checker of the Python tooling is working on it.
///
/// Its lock file names the y-stream only. The lock of a process that has ended is ignored, and so is that of
/// a checker whose command line names another release. A lock file that cannot be read says nothing, so nothing is done.
pub(super) fn refuse_while_it_runs(
    environment: &Environment,
    release: &ReleaseVersion,
) -> Result<(), Refusal> {
    let Some(Checker { process, lock }) = living(environment, release)? else { return Ok(()) };
    Err(Refusal::new(
        ErrorClass::Conflict,
        format!(
            "the Python tooling's background checker (process {process}, lock {}) is working on the \
             approval of {release}; \
             nothing was done",
            lock.display()
        ),
    )
    .with_hint(format!(
        "Let it finish; it ends within two days. To take the approval over, end process {process} and run the same \
         command again."
    )))
}

fn living(environment: &Environment, release: &ReleaseVersion) -> Result<Option<Checker>, Refusal> {
    let lock = environment.temporary().join(format!("oar_scheduler_{}.lock", release.y_stream()));
    let text = match files::read(&lock, LARGEST_LOCK) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.is_absent() => return Ok(None),
        Err(error) => {
            let words = format!(
                "whether the Python tooling's background checker is working on the approval of {release} is not known: {}: \
                 {error}; nothing was done",
                lock.display()
            );
            return Err(Refusal::new(ErrorClass::Unavailable, words)
                .with_hint("Let this user read the file, or delete it if no checker is running."));
        }
    };
    let Some(process) = text.trim().parse().ok().filter(|process| holder::is_alive(*process)) else {
        return Ok(None);
    };
    let command = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    let command = String::from_utf8_lossy(&command).into_owned();
    let concerns_another = !named(&command, &release.to_string())
        && releases(&command).any(|other| other.y_stream() == release.y_stream());
    Ok((!concerns_another).then_some(Checker { process, lock }))
}

fn words(command: &str) -> impl Iterator<Item = &str> {
    command.split(|character: char| !character.is_ascii_alphanumeric() && !matches!(character, '.' | '-'))
}

fn named(command: &str, release: &str) -> bool {
    words(command).any(|word| word == release)
}

fn releases(command: &str) -> impl Iterator<Item = ReleaseVersion> {
    words(command).filter_map(|word| word.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Classified as _;

    fn release() -> ReleaseVersion {
        "4.19.1".parse().unwrap()
    }

    #[test]
    fn a_living_checker_is_left_to_finish_and_a_dead_ones_lock_stops_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let environment = Environment::from_pairs([("TMPDIR", folder.path().to_str().unwrap())]);
        let lock = folder.path().join("oar_scheduler_4.19.lock");
        assert_eq!(refuse_while_it_runs(&environment, &release()), Ok(()));
        for dead in ["4194999", "", "no number", "0"] {
            std::fs::write(&lock, dead).unwrap();
            assert_eq!(refuse_while_it_runs(&environment, &release()), Ok(()), "{dead:?}");
        }
        let process = std::process::id();
        std::fs::write(&lock, format!("{process}\n")).unwrap();
        let refusal = refuse_while_it_runs(&environment, &release()).unwrap_err();
        assert_eq!(refusal.class(), ErrorClass::Conflict);
        assert!(refusal.to_string().contains(&format!("process {process}")), "{refusal}");
        assert!(refusal.to_string().contains(lock.to_str().unwrap()), "{refusal}");
        assert_eq!(refuse_while_it_runs(&environment, &"4.18.1".parse().unwrap()), Ok(()));
    }

    #[test]
    fn a_lock_that_cannot_be_read_is_not_one_that_is_absent() {
        let folder = tempfile::tempdir().unwrap();
        let environment = Environment::from_pairs([("TMPDIR", folder.path().to_str().unwrap())]);
        std::fs::create_dir(folder.path().join("oar_scheduler_4.19.lock")).unwrap();
        let refusal = refuse_while_it_runs(&environment, &release()).unwrap_err();
        assert_eq!(refusal.class(), ErrorClass::Unavailable);
        assert!(refusal.to_string().contains("oar_scheduler_4.19.lock"), "{refusal}");
    }

    #[test]
    fn a_checker_of_another_release_of_the_y_stream_is_not_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let environment = Environment::from_pairs([("TMPDIR", folder.path().to_str().unwrap())]);
        for (argument, is_ours) in [("run('4.19.1')", true), ("run('4.19.10')", false), ("run()", true)] {
            // It waits for input that never arrives.
            let mut command = std::process::Command::new("sh");
            command.args(["-c", "read _", argument]).stdin(std::process::Stdio::piped());
            let mut child = command.spawn().unwrap();
            let words = format!("/proc/{}/cmdline", child.id());
            while !std::fs::read_to_string(&words).unwrap().contains(argument) {
                std::thread::yield_now();
            }
            std::fs::write(folder.path().join("oar_scheduler_4.19.lock"), child.id().to_string()).unwrap();
            let refused = refuse_while_it_runs(&environment, &release()).is_err();
            child.kill().unwrap();
            child.wait().unwrap();
            assert_eq!(refused, is_ours, "{argument}");
        }
    }
}
