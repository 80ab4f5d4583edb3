//! Repositories, accounts and build data at the start of the two releases.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    credentials,
    scenario::PEOPLE,
    services::github::{BUILD_DATA_REPOSITORY, STATE_REPOSITORY, identity::Identity},
    world::World,
};

/// Build data of the scenario: y-stream, releases, and the branch's settings.
const BUILD_DATA: [(&str, &str, &str); 2] = [
    (
        "4.19",
        include_str!("../../data/openshift-4.19-releases.yml"),
        include_str!("../../data/openshift-4.19-group.yml"),
    ),
    (
        "4.14",
        include_str!("../../data/openshift-4.14-releases.yml"),
        include_str!("../../data/openshift-4.14-group.yml"),
    ),
];

/// The tracking files, in which ART announces releases: those of both flows with their kinds of advisories, keys in any order,
/// one that is no version, a y-stream without releases, and one whose file is plain text, as some were.
const TRACKING: &[(&str, &str)] = &[
    (
        "4.14",
        "releases:\n  4.14.59:\n    advisories: {image: 139001, metadata: 139002, extras: 139003, rpm: 139004}\n    \
         release_jira: ART-14590\n  4.14.60:\n    advisories:\n      extras: 140003\n      image: 140002\n      metadata: \
         140004\n      rpm: 140001\n      rhcos: 140005\n    release_jira: ART-14600\n  4.14.9:\n    advisories: {image: 90001}\n    \
         release_jira: ART-9000\n",
    ),
    ("4.18", "4.18.20 is out\n"),
    (
        "4.19",
        "releases:\n  4.19.1:\n    advisories:\n      rpm: 150001\n      rhcos: 150002\n      microshift: 150003\n    \
         release_jira: ART-14191\n  4.19.0:\n    advisories:\n      rpm: 149001\n      rhcos: 149002\n    release_jira: ART-14100\n",
    ),
    (
        "4.20",
        "releases:\n  4.20.4:\n    advisories: {rpm: 151001, rhcos: 151002}\n    release_jira: ART-15004\n  4.20.5:\n    \
         advisories: {rpm: 151003, rhcos: 151004}\n    release_jira: ART-15005\n  notes:\n    text: a stray key\n",
    ),
    ("5.0", "releases: {}\n"),
];

/// The branch with StateBox files.
pub const STATE_BRANCH: &str = "z-stream";
/// The branch with record files.
pub const RECORD_BRANCH: &str = "record";

/// Why files of the user could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A directory or file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A directory holds no file of the expected names.
    #[error("{} holds no file named {expected}", path.display())]
    Empty {
        /// Which.
        path: PathBuf,
        /// The expected names.
        expected: &'static str,
    },
    /// A file could not be committed.
    #[error("cannot commit {path}: {reason}")]
    Commit {
        /// Path in the repository.
        path: String,
        /// Why.
        reason: String,
    },
}

/// Accounts, repositories, and the build data of the two releases.
pub fn load(world: &World) {
    let now = world.clock.now();
    let mut github = world.github.lock();
    let [lead, second, reader, ..] = PEOPLE;
    for (token, id, person, may_push) in [
        (credentials::GITHUB_TOKEN, 11, lead, true),
        (credentials::GITHUB_TOKEN_SECOND, 12, second, true),
        (credentials::GITHUB_TOKEN_READER, 13, reader, false),
    ] {
        github.tokens.insert(token.to_owned(), Identity::new(id, person.login, person.name, may_push));
    }
    github.add_repository(STATE_REPOSITORY, &["main", STATE_BRANCH, RECORD_BRANCH], now);
    for (stream, text) in TRACKING {
        let path = format!("_releases/{stream}/{stream}.z.yaml");
        // Cannot fail: the repository was just made.
        let _ = github.put(STATE_REPOSITORY, STATE_BRANCH, &path, *text, "Announce releases", now);
    }
    github.add_repository(BUILD_DATA_REPOSITORY, &["main"], now);
    for (stream, releases, group) in BUILD_DATA {
        let releases = releases.replace("{{BASE_URL}}", &world.base_url);
        let branch = format!("openshift-{stream}");
        // Cannot fail: the repository was just made.
        let _ =
            github.put(BUILD_DATA_REPOSITORY, &branch, "releases.yml", releases, "Update releases.yml", now);
        let _ = github.put(BUILD_DATA_REPOSITORY, &branch, "group.yml", group, "Update group.yml", now);
    }
}

/// Replaces build data by the files `openshift-<X.Y>-releases.yml` (and `openshift-<X.Y>-group.yml`) of a directory.
pub fn load_build_data(world: &World, directory: &Path) -> Result<usize, FilesError> {
    let expected = "openshift-<X.Y>-releases.yml";
    load_files(world, directory, expected, BUILD_DATA_REPOSITORY, |name| {
        let file =
            ["releases.yml", "group.yml"].into_iter().find(|file| name.ends_with(&format!("-{file}")))?;
        let branch = name.strip_suffix(file)?.strip_suffix('-')?;
        branch.starts_with("openshift-").then(|| (branch.to_owned(), file.to_owned()))
    })
}

/// Preloads the StateBox files `<release>.yaml` of a directory.
pub fn load_statebox(world: &World, directory: &Path) -> Result<usize, FilesError> {
    load_files(world, directory, "<release>.yaml", STATE_REPOSITORY, |name| {
        let release = name.strip_suffix(".yaml")?;
        let mut parts = release.split('.');
        let (major, minor) = (parts.next()?, parts.next()?);
        parts.next()?;
        Some((STATE_BRANCH.to_owned(), format!("_releases/{major}.{minor}/statebox/{name}")))
    })
}

fn load_files(
    world: &World,
    directory: &Path,
    expected: &'static str,
    repository: &str,
    place: impl Fn(&str) -> Option<(String, String)>,
) -> Result<usize, FilesError> {
    let read = |path: &Path, source| FilesError::Read { path: path.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(|source| read(directory, source))? {
        paths.push(entry.map_err(|source| read(directory, source))?.path());
    }
    paths.sort();
    let mut loaded = 0;
    for path in paths {
        let Some((branch, target)) = path.file_name().and_then(|name| place(name.to_str()?)) else {
            continue;
        };
        let content = fs::read(&path).map_err(|source| read(&path, source))?;
        world
            .github
            .lock()
            .put(repository, &branch, &target, content, &format!("Load {target}"), world.clock.now())
            .map_err(|reason| FilesError::Commit { path: target, reason })?;
        loaded += 1;
    }
    if loaded == 0 {
        return Err(FilesError::Empty { path: directory.to_owned(), expected });
    }
    Ok(loaded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        sandbox::{Options, Sandbox, StartError},
        testing::ask,
    };

    #[tokio::test]
    async fn files_of_the_user_replace_build_data_and_preload_the_statebox() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        fs::write(path.join("openshift-4.20-releases.yml"), "releases: {}\n").unwrap();
        fs::write(path.join("openshift-4.19-releases.yml"), "releases: {4.19.1: {}}\n").unwrap();
        fs::write(path.join("openshift-4.19-group.yml"), "arches: [x86_64]\n").unwrap();
        fs::write(path.join("4.20.28.yaml"), "release: 4.20.28\n").unwrap();
        fs::write(path.join("5.0.0-ec.3.yaml"), "release: 5.0.0-ec.3\n").unwrap();
        fs::write(path.join("README.md"), "not a StateBox file").unwrap();
        let options = Options {
            build_data: Some(path.to_owned()),
            statebox: Some(path.to_owned()),
            ..Options::default()
        };
        let sandbox = Sandbox::start(&options).unwrap();
        for (stream, expected) in [("4.20", "releases: {}\n"), ("4.19", "releases: {4.19.1: {}}\n")] {
            let path = format!("/github-raw/{BUILD_DATA_REPOSITORY}/openshift-{stream}/releases.yml");
            assert_eq!(ask(&sandbox, "GET", &path).send().await.text, expected);
        }
        for (stream, expected) in [("4.19", "arches: [x86_64]\n"), ("4.14", "# The settings")] {
            let path = format!("/github-raw/{BUILD_DATA_REPOSITORY}/openshift-{stream}/group.yml");
            assert!(ask(&sandbox, "GET", &path).send().await.text.starts_with(expected), "{stream}");
        }
        let github = sandbox.world().github.lock();
        let text = |path: &str| github.text(STATE_REPOSITORY, STATE_BRANCH, path);
        assert_eq!(text("_releases/4.20/statebox/4.20.28.yaml").unwrap(), "release: 4.20.28\n");
        assert_eq!(text("_releases/5.0/statebox/5.0.0-ec.3.yaml").unwrap(), "release: 5.0.0-ec.3\n");
    }

    #[test]
    fn a_directory_that_does_not_exist_is_named() {
        let options = Options { statebox: Some(PathBuf::from("/no/such/place")), ..Options::default() };
        let error = Sandbox::start(&options).unwrap_err();
        assert!(matches!(error, StartError::Scenario(FilesError::Read { .. })), "{error:?}");
        assert!(error.to_string().contains("/no/such/place"), "{error}");
    }
}
