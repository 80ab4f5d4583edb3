//! The deployment files of `config/deploy`: what they run exists and has what it needs, and the tools and schemas of their systems
//! take them.
#![expect(
    clippy::disallowed_methods,
    reason = "the environment says how a test runs, and where programs are"
)]
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use end_to_end::{Harness, root};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Service, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use oar_core::config::AGENT_COMMANDS;
use regex::Regex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn folder(name: &str) -> PathBuf {
    root().join("config/deploy").join(name)
}

fn files(folder: &Path) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .map(|path| {
            (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// A service of systemd.
struct Unit {
    name: String,
    text: String,
}

impl Unit {
    fn all() -> Vec<Self> {
        let units = files(&folder("systemd")).into_iter().filter(|(name, _)| name.ends_with(".service"));
        units.map(|(name, text)| Self { name, text }).collect()
    }

    /// The values of `key`.
    fn values(&self, key: &str) -> Vec<&str> {
        self.text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
    }

    fn value(&self, key: &str) -> &str {
        let values = self.values(key);
        assert_eq!(values.len(), 1, "{}: {key}", self.name);
        values[0]
    }

    /// The program, its command and options.
    fn words(&self) -> Vec<&str> {
        self.value("ExecStart").strip_prefix("/usr/local/bin/").unwrap().split(' ').collect()
    }

    /// The variables that it sets, with their values.
    fn variables(&self) -> BTreeMap<&str, &str> {
        let words = self.values("Environment").into_iter().flat_map(|value| value.split(' '));
        words.map(|word| word.split_once('=').unwrap()).collect()
    }

    /// The variables that it sets, or loads as a credential of the same name.
    fn given(&self) -> BTreeSet<&str> {
        self.secrets().into_iter().chain(self.variables().into_keys()).collect()
    }

    /// The variables that it loads as credentials: each from a file of its own unit, so that no other unit has the same rights.
    fn secrets(&self) -> BTreeSet<&str> {
        let unit = self.name.trim_end_matches(".service");
        let entries = self.values("LoadCredential").into_iter().map(|entry| entry.split_once(':').unwrap());
        let secrets = entries.filter(|(_, path)| path.starts_with("/etc/credstore/"));
        secrets
            .map(|(name, path)| {
                assert_eq!(path, format!("/etc/credstore/{unit}.{name}"), "{}", self.name);
                name
            })
            .collect()
    }
}

/// The documents of the manifests, with the names of their files.
fn manifests() -> Vec<(String, Value)> {
    let documents = |(name, text): (String, String)| {
        let values: Vec<_> =
            text.split("\n---\n").map(|text| (name.clone(), serde_yaml::from_str(text).unwrap())).collect();
        values
    };
    files(&folder("kubernetes"))
        .into_iter()
        .filter(|(name, _)| name != "kustomization.yaml")
        .flat_map(documents)
        .collect()
}

/// The pod of a `CronJob` or a `Deployment`.
fn pod(document: &Value) -> Option<&Value> {
    let spec = &document["spec"];
    let template = spec.get("template").or_else(|| spec.pointer("/jobTemplate/spec/template"))?;
    Some(&template["spec"])
}

fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// The manifests with pods: file, pod, words of its container, container.
fn pods() -> Vec<(String, Value, Vec<String>, Value)> {
    let with_pods =
        manifests().into_iter().filter_map(|(name, document)| Some((name, pod(&document)?.clone())));
    let pods: Vec<_> = with_pods
        .map(|(name, pod)| {
            let containers = pod["containers"].as_array().unwrap();
            assert_eq!(containers.len(), 1, "{name}");
            let words = each(&containers[0]["args"]).map(|word| word.as_str().unwrap().to_owned()).collect();
            let container = containers[0].clone();
            (name, pod, words, container)
        })
        .collect();
    assert!(pods.len() >= 4);
    pods
}

fn texts(list: &Value, member: &str) -> BTreeSet<String> {
    each(list).map(|entry| entry[member].as_str().unwrap().to_owned()).collect()
}

/// What a program of this machine says; `None` when the machine does not have it, which CI's must.
fn run(program: &str, arguments: &[&str]) -> Option<Output> {
    match Command::new(program).args(arguments).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            assert!(std::env::var_os("CI").is_none(), "{program} is missing: `make deps` installs it");
            None
        }
        other => Some(other.unwrap()),
    }
}

/// Asks the program itself whether it has the command and its options.
fn assert_is_command(words: &[&str]) {
    let (program, arguments) = words.split_first().unwrap();
    let program = program.strip_prefix("release-tests-").unwrap_or(program);
    let run = Harness::new().run(program, arguments.iter().chain(&["--help"]));
    assert_eq!(run.code, Some(0), "{words:?}: {run:?}");
}

#[test]
fn what_the_units_and_manifests_run_are_commands() {
    for unit in Unit::all() {
        println!("{}: {:?}", unit.name, unit.words());
        assert_is_command(&unit.words());
    }
    for (name, _, words, _) in pods() {
        println!("{name}: {words:?}");
        assert_is_command(&words.iter().map(String::as_str).collect::<Vec<_>>());
    }
    for (name, document) in manifests().iter().filter(|(_, document)| document["kind"] == "CronJob") {
        let spec = &document["spec"];
        assert_eq!(spec["concurrencyPolicy"], "Forbid", "{name}");
        assert_eq!(spec["jobTemplate"]["spec"]["backoffLimit"], 0, "{name}");
        assert_eq!(spec["jobTemplate"]["spec"]["template"]["spec"]["restartPolicy"], "Never", "{name}");
        assert!(spec["startingDeadlineSeconds"].as_u64().unwrap() >= 10, "{name}");
        assert!(document["metadata"]["name"].as_str().unwrap().len() <= 52, "{name}");
    }
}

#[test]
fn every_agent_and_the_mcp_server_have_a_unit_and_a_manifest_of_their_own() {
    // `oarctl tick` is another name of `oarctl drive`.
    let agents = AGENT_COMMANDS.iter().filter(|(_, command)| *command != "tick");
    let agents = agents.map(|(program, command)| format!("{program} {command}"));
    let all: BTreeSet<String> = agents.chain(["release-tests-mcp --listen".to_owned()]).collect();
    let units: BTreeSet<String> = Unit::all().iter().map(|unit| unit.words()[..2].join(" ")).collect();
    let supervisor = "oarctl agents".to_owned();
    assert!(units.contains(&supervisor));
    assert_eq!(units.into_iter().filter(|words| *words != supervisor).collect::<BTreeSet<_>>(), all);
    // The image's program knows the server by a word.
    let name = |words: &[String]| words[..2].join(" ").replace("mcp --listen", "release-tests-mcp --listen");
    let pods: BTreeSet<String> = pods().iter().map(|(_, _, words, _)| name(words)).collect();
    assert_eq!(pods, all);
    for unit in Unit::all().iter().filter(|unit| unit.value("Type") == "oneshot") {
        let timer = folder("systemd").join(unit.name.replace(".service", ".timer"));
        assert!(timer.exists(), "nothing starts {}", unit.name);
    }
}

#[test]
fn what_is_done_once_is_remembered_on_a_volume_that_stays() {
    let (_, pod, words, container) =
        pods().into_iter().find(|(_, _, words, _)| words[1] == "check-test-results").unwrap();
    let file = words.iter().find_map(|word| word.strip_prefix("--notified-file-path=")).unwrap();
    let mount = each(&container["volumeMounts"])
        .find(|mount| file.starts_with(&format!("{}/", mount["mountPath"].as_str().unwrap())))
        .unwrap();
    let volume = each(&pod["volumes"]).find(|volume| volume["name"] == mount["name"]).unwrap();
    let claim = &volume["persistentVolumeClaim"]["claimName"];
    let claimed = manifests().into_iter().any(|(_, document)| {
        document["kind"] == "PersistentVolumeClaim" && document["metadata"]["name"] == *claim
    });
    assert!(claimed, "{volume}");
    assert_eq!(pod["securityContext"]["fsGroup"], pod["securityContext"]["runAsUser"]);
}

#[test]
fn probes_ask_for_what_is_served_where_it_is_served() {
    let mut probed = 0;
    for (name, _, words, container) in pods() {
        let address = words.iter().skip_while(|word| *word != "--listen").nth(1);
        let ports: Vec<_> = each(&container["ports"]).collect();
        let mut probe = |kind: &str, path: &str| {
            let probe = &container[kind]["httpGet"];
            if address.is_none() {
                assert!(probe.is_null(), "{name}: {kind}, and nothing is served");
                return;
            }
            probed += 1;
            assert_eq!(probe["path"], path, "{name}: {kind}");
            let port = ports.iter().find(|port| port["name"] == probe["port"]).unwrap();
            let listens = address.unwrap().strip_prefix("0.0.0.0:").unwrap();
            assert_eq!(port["containerPort"].to_string(), listens, "{name}");
        };
        // A bot that cannot read its file yet is not ready, and must not be restarted for it.
        probe("startupProbe", if words[1] == "slack-bot" { "/livez" } else { "/readyz" });
        probe("readinessProbe", "/readyz");
        probe("livenessProbe", "/livez");
    }
    assert!(probed >= 6, "{probed}");
}

#[test]
fn agents_may_take_their_leases_and_nothing_else() {
    let documents = || manifests().into_iter().map(|(_, document)| document);
    let name = |document: &Value| document["metadata"]["name"].as_str().unwrap().to_owned();
    let rule = |names: &[&str], verbs: &[&str]| {
        let mut rule = serde_json::json!({
            "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": verbs,
        });
        if !names.is_empty() {
            rule["resourceNames"] = serde_json::json!(names);
        }
        rule
    };
    // A Lease whose name is known before can be the only one; the name of one that is made cannot.
    let own = |lease: &str| vec![rule(&[], &["create"]), rule(&[lease], &["get", "update"])];
    let any = || vec![rule(&[], &["get", "create", "update"])];
    let expected = BTreeMap::from([
        ("release-aggregator".to_owned(), own("jobctl-aggregator-amd64")),
        ("release-slack-bot".to_owned(), own("oarctl-slack-bot-slack")),
        ("release-detector".to_owned(), any()),
        ("release-result-checker".to_owned(), any()),
    ]);
    let roles: BTreeMap<String, Vec<Value>> = documents()
        .filter(|document| document["kind"].as_str().unwrap().ends_with("Role"))
        .map(|role| (name(&role), role["rules"].as_array().unwrap().clone()))
        .collect();
    assert_eq!(roles, expected);
    let bindings: Vec<Value> = documents().filter(|document| document["kind"] == "RoleBinding").collect();
    assert_eq!(bindings.len(), expected.len());
    for binding in bindings {
        let subject = serde_json::json!([{"kind": "ServiceAccount", "name": name(&binding)}]);
        assert_eq!(
            (&binding["roleRef"]["name"], &binding["subjects"]),
            (&binding["metadata"]["name"], &subject)
        );
    }
}

/// The words in the parentheses of the pattern.
fn words_of(text: &str, pattern: &str) -> BTreeSet<String> {
    let found = Regex::new(pattern).unwrap().captures(text).unwrap();
    found[1].split_whitespace().map(str::to_owned).collect()
}

#[test]
fn the_image_has_the_toolchain_the_packages_the_programs_and_the_user_that_it_needs() {
    let text = std::fs::read_to_string(folder("Containerfile")).unwrap();
    let stages: Vec<&str> = text.split("\nFROM ").skip(1).collect();
    assert_eq!(stages.len(), 2, "one builds, one runs");
    let (build, image) = (stages[0], stages[1]);

    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
    let toolchain = words_of(&read("rust-toolchain.toml"), r#"channel = "([^"]+)""#);
    assert_eq!(words_of(build, r"^rust:(\d[\d.]*)-"), toolchain);
    assert!(
        build.contains("COPY . .\n") && build.contains("cargo build --locked --release -p release-tests")
    );

    let installed =
        |stage: &str| words_of(stage, r"apt-get install --no-install-recommends -y ([a-z0-9 -]+)");
    let listed = words_of(&read(".ci/deps"), r"packages=\(([^)]+)\)");
    assert!(installed(build).is_subset(&listed), "{:?}", installed(build));
    assert!(
        listed
            .iter()
            .filter(|name| name.ends_with("-dev") && *name != "libc6-dev")
            .all(|name| installed(build).contains(name))
    );
    let tickets = manifests().iter().any(|(_, document)| document.to_string().contains("\"kinit\""));
    assert!(tickets && installed(image).contains("krb5-user"));
    assert!(installed(image).contains("ca-certificates"));

    let links = words_of(image, r"for program in ([^;]+); do ln -s release-tests ");
    assert_eq!(links, words_of(&read("crates/release-tests/install"), r"programs=\(([^)]+)\)"));
    assert!(
        image.contains("COPY --from=build /src/target/release/release-tests /usr/local/bin/release-tests\n")
    );
    let user = words_of(image, r"\nUSER (\d+):");
    for (name, pod, ..) in pods() {
        let expected = pod["securityContext"]["runAsUser"].to_string();
        assert_eq!(user, BTreeSet::from([expected]), "{name}");
    }
    let ignored: BTreeSet<String> = read(".containerignore").lines().map(str::to_owned).collect();
    for path in ["/target", "/.venv"] {
        assert!(ignored.contains(path), "{path} would be copied into the image's first stage");
    }
    assert!(!ignored.contains("/.git"), "`--version` would not name the commit");
}

/// The variables that `docs/deploy.md` lists for each command, each with whether it is needed.
fn listed() -> BTreeMap<String, BTreeMap<String, bool>> {
    let page = std::fs::read_to_string(root().join("docs/deploy.md")).unwrap();
    let table = page.lines().skip_while(|line| !line.starts_with("| Agent | Variables |")).skip(2);
    let mut found: BTreeMap<String, BTreeMap<String, bool>> = BTreeMap::new();
    let mut command = String::new();
    for line in table.take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if !cells[1].is_empty() {
            cells[1].trim_matches('`').clone_into(&mut command);
        }
        let variables = cells[2].split('`').skip(1).step_by(2).map(str::to_owned);
        let needed = !cells[2].contains("optional");
        found.entry(command.clone()).or_default().extend(variables.map(|variable| (variable, needed)));
    }
    found
}

/// Compares what a unit or a manifest gives with what its command needs: no more secrets, and nothing less.
fn assert_given(name: &str, words: &[&str], given: &BTreeSet<&str>, secrets: &BTreeSet<&str>) {
    let listed = listed();
    // The server has options alone, and is called by the name of its link or as `release-tests mcp`.
    let is_server = ["mcp", "release-tests-mcp"].contains(&words[0]);
    let command = if is_server { "release-tests-mcp".to_owned() } else { words[..2].join(" ") };
    assert!(listed.contains_key(&command), "{command} is not in the table");
    let wanted = &listed[&command];
    for (variable, needed) in wanted {
        assert!(!needed || given.contains(variable.as_str()), "{name}: {variable} is missing");
    }
    for secret in secrets {
        assert!(wanted.contains_key(*secret), "{name}: {secret} is given and not needed");
    }
}

#[test]
fn every_agent_gets_the_variables_that_it_needs_and_no_other_secret() {
    let page = std::fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    for unit in Unit::all() {
        let given = unit.given();
        let secrets = unit.secrets();
        for secret in &secrets {
            assert!(page.contains(&format!("`{secret}`")), "{}: {secret}", unit.name);
        }
        let files = unit.values("LoadCredential").into_iter().filter_map(|entry| entry.split_once(':'));
        for file in files.filter(|(name, _)| !secrets.contains(name)) {
            assert!(unit.text.contains(&format!("%d/{}", file.0)), "{}: {file:?} is not used", unit.name);
        }
        // What the agents of the document need depends on the document.
        if unit.words() != ["oarctl", "agents", "run"] {
            assert_given(&unit.name, &unit.words(), &given, &secrets);
        }
    }
    for (name, _, words, container) in pods() {
        let given = texts(&container["env"], "name");
        let secrets =
            each(&container["env"]).filter(|entry| entry.pointer("/valueFrom/secretKeyRef").is_some());
        let secrets: Vec<Value> = secrets.cloned().collect();
        let secrets = texts(&Value::Array(secrets), "name");
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let [given, secrets] = [&given, &secrets].map(|set| set.iter().map(String::as_str).collect());
        assert_given(&name, &words, &given, &secrets);
    }
}

#[test]
fn pods_that_take_a_lease_have_an_account_for_it_and_others_have_no_token() {
    for (name, pod, words, _) in pods() {
        let once = ["start-release-detector", "check-test-results"];
        let takes_it =
            once.contains(&words[1].as_str()) || words.iter().any(|word| word.starts_with("--interval"));
        if takes_it {
            let agent = name.split_once('.').map_or(name.as_str(), |(agent, _)| agent);
            assert_eq!(pod["serviceAccountName"], format!("release-{agent}"), "{name}");
            assert_ne!(pod["automountServiceAccountToken"], false, "{name}");
        } else {
            assert_eq!(pod["automountServiceAccountToken"], false, "{name}");
            assert!(pod["serviceAccountName"].is_null(), "{name}");
        }
    }
}

#[test]
fn containers_mount_volumes_and_read_files_that_are_there() {
    for (name, pod, _, _) in pods() {
        let volumes = texts(&pod["volumes"], "name");
        for container in each(&pod["containers"]).chain(each(&pod["initContainers"])) {
            assert!(texts(&container["volumeMounts"], "name").is_subset(&volumes), "{name}");
            let folders: Vec<String> = texts(&container["volumeMounts"], "mountPath")
                .into_iter()
                .map(|path| format!("{path}/"))
                .collect();
            for value in each(&container["env"]).filter_map(|entry| entry["value"].as_str()) {
                let path = value.strip_prefix("FILE:").unwrap_or(value);
                let is_there = format!("{path}/");
                assert!(
                    !path.starts_with('/') || folders.iter().any(|folder| is_there.starts_with(folder)),
                    "{name}: nothing is mounted for {value}"
                );
            }
        }
    }
}

#[test]
fn units_share_one_user_and_no_directory_that_is_removed() {
    let units = Unit::all();
    let of_all = |key| units.iter().flat_map(|unit| unit.values(key)).collect::<BTreeSet<_>>();
    assert_eq!(of_all("StateDirectory"), BTreeSet::from(["release-tests"]));
    assert_eq!(of_all("DynamicUser"), BTreeSet::new());
    let runtime =
        |unit: &Unit| unit.value("RuntimeDirectory").replace("%N", unit.name.trim_end_matches(".service"));
    assert_eq!(units.iter().map(runtime).collect::<BTreeSet<_>>().len(), units.len());
    for unit in &units {
        assert_eq!(unit.value("User"), "release-tests", "{}", unit.name);
        assert!(unit.value("WorkingDirectory").starts_with("%S/release-tests"), "{}", unit.name);
        let own = format!("%t/{}", unit.value("RuntimeDirectory"));
        let variables = unit.variables();
        assert_eq!(variables["XDG_RUNTIME_DIR"], own, "{}", unit.name);
        if let Some(cache) = variables.get("KRB5CCNAME") {
            assert!(cache.starts_with(&format!("FILE:{own}/")), "{}: {cache}", unit.name);
            assert!(unit.value("ExecStartPre").starts_with("/usr/bin/kinit "), "{}", unit.name);
        }
    }
}

#[test]
fn the_drive_sees_the_python_tooling_and_the_supervisor_alone_is_told_to_stop() {
    let hides = [
        "PrivateTmp=yes",
        "DynamicUser=yes",
        "ProtectProc=invisible",
        "ProtectProc=noaccess",
        "ProtectProc=ptraceable",
    ];
    let (mut drives, mut supervisors) = (0, 0);
    for unit in Unit::all() {
        if unit.words()[..2] == ["oarctl", "drive"] {
            drives += 1;
            assert!(!unit.text.lines().any(|line| hides.contains(&line)), "{}", unit.name);
        }
        if unit.words()[..2] == ["oarctl", "agents"] {
            supervisors += 1;
            assert_eq!(unit.value("KillMode"), "mixed");
        }
    }
    assert_eq!((drives, supervisors), (1, 1));
}

#[test]
fn systemd_takes_the_units_and_calls_their_exposure_low() {
    let copies = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for (name, text) in files(&folder("systemd")) {
        let path = copies.path().join(&name);
        // The programs need not be installed here.
        let programs = [
            "/usr/local/bin/oarctl",
            "/usr/local/bin/jobctl",
            "/usr/local/bin/release-tests-mcp",
            "/usr/bin/kinit",
        ];
        let text = programs.into_iter().fold(text, |text, program| text.replace(program, "/bin/true"));
        std::fs::write(&path, text).unwrap();
        paths.push(path.to_string_lossy().into_owned());
    }
    let verify: Vec<&str> = ["verify"].into_iter().chain(paths.iter().map(String::as_str)).collect();
    let Some(output) = run("systemd-analyze", &verify) else { return };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
    for path in paths.iter().filter(|path| path.ends_with(".service")) {
        // In tenths, of 100. Who continues approvals must see /tmp and the processes of others.
        let sees = path.ends_with("-drive.service");
        let limit = if sees { "16" } else { "13" };
        let threshold = format!("--threshold={limit}");
        let output = run("systemd-analyze", &["security", "--offline=true", &threshold, path]).unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{path}: {}", said.lines().last().unwrap_or_default());
    }
}

/// How a manifest differs from what the API's own type keeps of it: a key that the type does not have is lost, and a required one
/// that is missing appears.
fn strange(document: &Value) -> Result<Vec<String>, String> {
    fn kept<T: DeserializeOwned + Serialize>(document: &Value) -> Result<Value, String> {
        let typed: T = serde_json::from_value(document.clone()).map_err(|error| error.to_string())?;
        serde_json::to_value(&typed).map_err(|error| error.to_string())
    }
    fn compare(path: &str, written: &Value, kept: &Value, found: &mut Vec<String>) {
        match (written, kept) {
            (Value::Object(written), Value::Object(kept)) => {
                for (key, value) in written {
                    match kept.get(key) {
                        Some(kept) => compare(&format!("{path}.{key}"), value, kept, found),
                        None => found.push(format!("{path}.{key} is not in the schema")),
                    }
                }
                let missing = kept.keys().filter(|key| !written.contains_key(*key));
                found.extend(missing.map(|key| format!("{path}.{key} is missing")));
            }
            (Value::Array(written), Value::Array(kept)) if written.len() == kept.len() => {
                for (place, (written, kept)) in written.iter().zip(kept).enumerate() {
                    compare(&format!("{path}[{place}]"), written, kept, found);
                }
            }
            (Value::Number(number), Value::String(text)) if number.to_string() == *text => {}
            (written, kept) if written == kept => {}
            (written, kept) => found.push(format!("{path} is {written}, expected {kept}")),
        }
    }
    let kind = document["kind"].as_str().unwrap_or_default();
    let kept = match kind {
        "CronJob" => kept::<CronJob>(document),
        "Deployment" => kept::<Deployment>(document),
        "PersistentVolumeClaim" => kept::<PersistentVolumeClaim>(document),
        "Role" => kept::<Role>(document),
        "RoleBinding" => kept::<RoleBinding>(document),
        "Service" => kept::<Service>(document),
        "ServiceAccount" => kept::<ServiceAccount>(document),
        _ => Err(format!("the kind `{kind}` is not checked")),
    }?;
    let mut found = Vec::new();
    compare(kind, document, &kept, &mut found);
    Ok(found)
}

#[test]
fn the_manifests_are_what_the_api_s_schemas_say() {
    for (name, document) in manifests() {
        let found = strange(&document).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(found.is_empty(), "{name}: {found:#?}");
    }
}

#[test]
fn a_manifest_with_a_wrong_key_a_missing_one_or_a_wrong_value_is_found() {
    let of_kind = |kind: &str| {
        manifests()
            .into_iter()
            .map(|(_, document)| document)
            .find(|document| document["kind"] == kind)
            .unwrap()
    };
    let moved = |kind: &str, place: &str, from: &str, to: &str| {
        let mut document = of_kind(kind);
        let map = document.pointer_mut(place).unwrap().as_object_mut().unwrap();
        let value = map.remove(from).unwrap();
        if !to.is_empty() {
            map.insert(to.to_owned(), value);
        }
        strange(&document)
    };
    let container = "/spec/template/spec/containers/0";
    for (kind, place, from, to, expected) in [
        (
            "CronJob",
            "/spec",
            "concurrencyPolicy",
            "concurrencyPolcy",
            "CronJob.spec.concurrencyPolcy is not in the schema",
        ),
        (
            "CronJob",
            "/spec/jobTemplate/spec",
            "activeDeadlineSeconds",
            "activeDeadlineSecond",
            "activeDeadlineSecond is not",
        ),
        (
            "Deployment",
            container,
            "livenessProbe",
            "livenesProbe",
            "containers[0].livenesProbe is not in the schema",
        ),
        ("Deployment", container, "name", "", "containers[0].name is missing"),
        ("Role", "/rules/0", "verbs", "", "rules[0].verbs is missing"),
    ] {
        let found = moved(kind, place, from, to).unwrap();
        assert!(found.iter().any(|line| line.contains(expected)), "{expected}: {found:#?}");
    }
    let mut document = of_kind("Deployment");
    document["spec"]["replicas"] = "two".into();
    assert!(strange(&document).is_err());
    let mut document = of_kind("CronJob");
    document["apiVersion"] = "batch/v1beta1".into();
    assert!(strange(&document).is_err());
}

#[test]
fn kustomize_puts_all_manifests_together() {
    let path = folder("kubernetes");
    let text = std::fs::read_to_string(path.join("kustomization.yaml")).unwrap();
    let value: Value = serde_yaml::from_str(&text).unwrap();
    assert_eq!(value["apiVersion"], "kustomize.config.k8s.io/v1beta1");
    assert_eq!(value["kind"], "Kustomization");
    for key in value.as_object().unwrap().keys() {
        let known = ["apiVersion", "kind", "resources", "patches", "labels", "images"];
        assert!(known.contains(&key.as_str()), "{key}");
    }
    let listed: BTreeSet<&str> = each(&value["resources"]).filter_map(Value::as_str).collect();
    let manifests = manifests();
    assert_eq!(listed, manifests.iter().map(|(name, _)| name.as_str()).collect());
    // No distribution has a kubectl that knows `labels`, so CI's machine need not have one.
    let Ok(output) = Command::new("kubectl").args(["kustomize", path.to_str().unwrap()]).output() else {
        println!("not checked: this machine has no kubectl");
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.matches("\nkind: ").count(), manifests.len());
    for document in text.split("\n---\n").map(|text| serde_yaml::from_str::<Value>(text).unwrap()) {
        let (kind, spec) = (&document["kind"], &document["spec"]);
        assert!(kind != "CronJob" || spec["suspend"] == true, "{document:#}");
        assert!(kind != "Deployment" || spec["replicas"] == 0, "{document:#}");
    }
}

/// The manifests have example values: nothing runs with them before somebody switches it on.
#[test]
fn nothing_runs_before_it_is_switched_on() {
    let text = std::fs::read_to_string(folder("kubernetes").join("kustomization.yaml")).unwrap();
    let value: Value = serde_yaml::from_str(&text).unwrap();
    for (kind, change) in [
        ("CronJob", serde_json::json!([{"op": "add", "path": "/spec/suspend", "value": true}])),
        ("Deployment", serde_json::json!([{"op": "replace", "path": "/spec/replicas", "value": 0}])),
    ] {
        let patch = each(&value["patches"]).find(|patch| patch["target"]["kind"] == kind).unwrap();
        let written: Value = serde_yaml::from_str(patch["patch"].as_str().unwrap()).unwrap();
        assert_eq!(written, change);
        let names = Regex::new(&format!("^({})$", patch["target"]["name"].as_str().unwrap())).unwrap();
        for (file, document) in manifests().iter().filter(|(_, document)| document["kind"] == kind) {
            assert!(names.is_match(document["metadata"]["name"].as_str().unwrap()), "{file}");
        }
    }
}

/// The files with secrets that the page lists for each unit are those that the unit loads.
#[test]
fn the_page_names_every_file_that_a_unit_loads() {
    let page = std::fs::read_to_string(root().join("docs/deploy.md")).unwrap();
    let table = page
        .lines()
        .skip_while(|line| !line.starts_with("| Unit | In `/etc/credstore`, as `UNIT.NAME` |"))
        .skip(2);
    let mut listed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in table.take_while(|line| line.starts_with('|')) {
        let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        let cells: Vec<Vec<String>> = line.split('|').skip(1).map(quoted).collect();
        listed.insert(format!("{}.service", cells[0][0]), cells[1..].concat().into_iter().collect());
    }
    let loaded: BTreeMap<String, BTreeSet<String>> = Unit::all()
        .iter()
        .map(|unit| {
            let files = unit.values("LoadCredential").into_iter();
            let secrets = unit.secrets();
            let files = files.map(|file| file.split_once(':').unwrap());
            let files = files.map(|(name, path)| if secrets.contains(name) { name } else { path }.to_owned());
            (unit.name.clone(), files.collect())
        })
        .collect();
    assert_eq!(listed, loaded);
}

/// The scopes in back quotes of the bot's row in `docs/deploy.md`.
fn scopes_of_the_bot() -> BTreeSet<String> {
    let page = std::fs::read_to_string(root().join("docs/deploy.md")).unwrap();
    let row = page
        .lines()
        .find(|line| line.contains("`SLACK_BOT_TOKEN`") && line.contains("`reactions:write`"))
        .unwrap();
    row.split('`').skip(1).step_by(2).filter(|word| word.contains(':')).map(str::to_owned).collect()
}

#[test]
fn the_slack_app_has_the_scopes_of_the_page_and_listens_by_socket() {
    let text = std::fs::read_to_string(folder("slack-app.yaml")).unwrap();
    let app: Value = serde_yaml::from_str(&text).unwrap();
    let private = ["groups:history", "groups:read"].map(str::to_owned);
    let all = texts_of(&app["oauth_config"]["scopes"]["bot"]);
    let everywhere: BTreeSet<String> =
        scopes_of_the_bot().into_iter().filter(|scope| !private.contains(scope)).collect();
    assert_eq!(all, everywhere);
    for scope in private {
        assert!(text.contains(&format!("# - {scope}\n")) && scopes_of_the_bot().contains(&scope), "{scope}");
    }
    let settings = &app["settings"];
    assert_eq!(
        texts_of(&settings["event_subscriptions"]["bot_events"]),
        BTreeSet::from(["app_mention", "message.channels"].map(str::to_owned))
    );
    assert_eq!(
        settings["event_subscriptions"]["request_url"],
        Value::Null,
        "nothing reaches the bot from outside"
    );
    assert_eq!(
        (&settings["socket_mode_enabled"], &settings["interactivity"]["is_enabled"]),
        (&Value::Bool(true), &Value::Bool(true))
    );
}

fn texts_of(list: &Value) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}
