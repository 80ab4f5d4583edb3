use super::*;
use crate::error::Classified as _;
use std::collections::BTreeSet;

#[test]
fn logins_to_registries_are_where_podman_and_docker_keep_them() {
    let files = |pairs: &[(&str, &str)], id: Option<u32>| {
        let mut environment = Environment::from_pairs(pairs.iter().copied());
        environment.user_id = id;
        let files = environment.registry_login_files();
        files.into_iter().map(|file| file.display().to_string()).collect::<Vec<_>>()
    };
    let home = ("HOME", "/home/lead");
    assert_eq!(files(&[home, ("REGISTRY_AUTH_FILE", "/a/auth.json")], Some(7)), ["/a/auth.json"]);
    assert_eq!(
        files(&[home], Some(7)),
        [
            "/run/containers/7/auth.json",
            "/home/lead/.config/containers/auth.json",
            "/home/lead/.docker/config.json",
            "/home/lead/.dockercfg",
        ]
    );
    let all = [
        home,
        ("XDG_RUNTIME_DIR", "/run/user/7"),
        ("XDG_CONFIG_HOME", "/c"),
        ("DOCKER_CONFIG", "/d"),
        ("REGISTRY_AUTH_FILE", ""),
    ];
    assert_eq!(
        files(&all, Some(7)),
        [
            "/run/user/7/containers/auth.json",
            "/c/containers/auth.json",
            "/d/config.json",
            "/home/lead/.dockercfg",
        ]
    );
    assert!(files(&[("HOME", "relative")], None).is_empty());
}

#[test]
fn what_is_not_set_is_taken_from_the_files_of_the_service_manager() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in
        [("GITHUB_TOKEN", "from a file\n"), ("SLACK_BOT_TOKEN", "from a file"), ("OTHER", "x")]
    {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let given = folder.path().to_str().unwrap();
    let pairs = [("CREDENTIALS_DIRECTORY", given), ("SLACK_BOT_TOKEN", "set")];
    let environment = Environment::from_pairs(pairs).with_credentials();
    let value = |name: &str| environment.get(name).map(str::to_owned);
    assert_eq!(value("GITHUB_TOKEN").as_deref(), Some("from a file"));
    assert_eq!(value("SLACK_BOT_TOKEN").as_deref(), Some("set"));
    assert_eq!((value("OTHER"), value("JIRA_TOKEN")), (None, None));
    assert_eq!(environment.secrets().len(), 2);
    assert!(environment.check_names().is_ok());
    let empty = [("CREDENTIALS_DIRECTORY", given), ("GITHUB_TOKEN", "")];
    let environment = Environment::from_pairs(empty).with_credentials();
    assert_eq!(environment.get("GITHUB_TOKEN"), Some("from a file"), "empty is not set");
}

#[test]
fn a_credential_that_cannot_be_read_is_an_error_and_not_one_that_is_not_set() {
    let unreadable: [fn(&Path); 3] = [
        |path| std::fs::create_dir(path).unwrap(),
        |path| std::fs::write(path, [0xff]).unwrap(),
        |path| std::fs::write(path, "x".repeat(1024 * 1024 + 1)).unwrap(),
    ];
    for make in unreadable {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("JIRA_TOKEN");
        make(&path);
        let pairs = [("CREDENTIALS_DIRECTORY", folder.path().to_str().unwrap())];
        let environment = Environment::from_pairs(pairs).with_credentials();
        let error = environment.check_names().unwrap_err();
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        assert!(error.hint().unwrap().contains("restart"), "{error:?}");
        // Who set the variable does not need the file.
        let set = pairs.into_iter().chain([("JIRA_TOKEN", "x")]);
        assert!(Environment::from_pairs(set).with_credentials().check_names().is_ok());
    }
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let environment = Environment::from_pairs([("GITLAB_TOKEN", ""), ("OAR_STATE", "github")]);
    assert_eq!(environment.get(&GITLAB_TOKEN), None);
    assert_eq!(environment.get(&OAR_STATE), Some("github"));
    assert_eq!(environment.get(&OAR_JWK), None);
}

#[test]
fn a_misspelt_variable_is_named_with_the_one_that_comes_close() {
    let check = |name: &str| Environment::from_pairs([(name, "x")]).check_names();
    for (name, close) in [
        ("OAR_ENDPOINT_GITLABB", "OAR_ENDPOINT_GITLAB"),
        ("OAR_ENDPOINT_GIT_HUB_API", "OAR_ENDPOINT_GITHUB_API"),
        ("OAR_ENDPOINTS_JIRA", "OAR_ENDPOINT_JIRA"),
        ("OAR_STAT", "OAR_STATE"),
        ("OAR_CONFGI", "OAR_CONFIG"),
        ("OAR_STATE_BRANCHE", "OAR_STATE_BRANCH"),
    ] {
        let error = check(name).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(&format!("`{close}`?")), "{error}");
    }
    for name in ["OAR_SANDBOX", "OAR_STATE", "OAR_ENDPOINT_JIRA", "OAR_SOMETHING_ELSE", "OARS", "MY_OAR_STAT"]
    {
        assert!(check(name).is_ok(), "{name}");
    }
    assert!(Environment::from_pairs([("OAR_STAT", "")]).check_names().is_ok(), "empty is not set");
}

#[test]
fn values_are_not_in_the_debug_form() {
    let environment = Environment::from_pairs([("GITLAB_TOKEN", "glpat-planted-value")]);
    assert!(!format!("{environment:?}").contains("planted"));
}

#[test]
fn the_table_names_each_variable_once_and_every_endpoint() {
    let names: BTreeSet<_> = VARIABLES.iter().map(|variable| variable.name).collect();
    assert_eq!(names.len(), VARIABLES.len());
    let reference = reference();
    assert_eq!(reference.lines().count(), 2 + VARIABLES.len() + Service::ALL.len());
    assert!(reference.contains("| `GITLAB_TOKEN` |") && reference.contains("| `OAR_ENDPOINT_KUBE` |"));
    for variable in VARIABLES.iter().filter(|variable| variable.name.ends_with("TOKEN")) {
        assert!(variable.secret, "{} must be secret", variable.name);
    }
}

#[test]
fn everything_that_may_be_deleted_is_in_one_directory() {
    for (pairs, directory) in [
        (&[("XDG_CACHE_HOME", "/c"), ("HOME", "/home/lead")][..], Some("/c/release-tests")),
        (&[("HOME", "/home/lead")], Some("/home/lead/.cache/release-tests")),
        (&[("XDG_CACHE_HOME", "c"), ("HOME", "/home/lead")], Some("/home/lead/.cache/release-tests")),
        (&[("XDG_CACHE_HOME", "c")], None),
    ] {
        let environment = Environment::from_pairs(pairs.iter().copied());
        assert_eq!(environment.cache_home(), directory.map(PathBuf::from), "{pairs:?}");
    }
}

#[test]
fn without_settings_only_the_account_is_left() {
    let pairs = [("HOME", "/home/lead"), ("USER", "lead"), ("OAR_JWK", "short"), ("ALL_PROXY", "no:::")];
    let bare = Environment::from_pairs(pairs).without_settings();
    let expected = Environment::from_pairs([("HOME", "/home/lead"), ("USER", "lead")]);
    assert_eq!(bare.values, expected.values);
}

#[test]
fn lock_files_are_in_a_directory_of_the_user_alone() {
    let (home, runtime) = ("/home/lead/.local/state/release-tests", "/run/user/7/release-tests");
    for (pairs, directories) in [
        (&[("XDG_RUNTIME_DIR", "/run/user/7"), ("HOME", "/home/lead")][..], &[home, runtime][..]),
        (&[("HOME", "/home/lead")], &[home]),
        (&[("XDG_RUNTIME_DIR", "run"), ("HOME", "/home/lead")], &[home]),
        (&[("XDG_RUNTIME_DIR", "/run/user/7"), ("HOME", "lead")], &[runtime]),
        (&[], &[]),
    ] {
        let environment = Environment::from_pairs(pairs.iter().copied());
        let expected: Vec<PathBuf> = directories.iter().map(PathBuf::from).collect();
        assert_eq!(environment.lock_directories(), expected, "{pairs:?}");
    }
}
