//! Tests that any input from outside gives a value or an error: no panic, and no more work than its limits
//! allow. The YAML limits are tested in [`crate::yaml::limits`].

use std::path::Path;

use proptest::prelude::*;
use secrecy::SecretString;

use crate::agents::bot::{Addressee, IncomingMessage, listen};
use crate::clients::elliott::{self, BuildSystem};
use crate::clients::koji::xmlrpc;
use crate::clients::kube::kubeconfig;
use crate::clients::prow::ProwJob;
use crate::clients::registry::{logins, payload, release};
use crate::clients::slack::socket::Frame;
use crate::config::build_data::{BuildData, GroupConfig, GroupFile, ReleaseFacts};
use crate::config::jwe::{self, Key};
use crate::config::{Document, SupportedVersions, check_document};
use crate::operators::shipment::ShipmentFile;
use crate::prow::json;
use crate::prow::names::{LatestName, RegistryName, ResultName};
use crate::prow::record::{LatestFile, ResultFile};
use crate::prow::registry::TestJobRegistry;
use crate::prow::report::summarise;
use crate::signature::{self, Claim, ClaimKind, ReleaseKeys};
use crate::statebox::State;
use crate::version::YStream;

/// A parser of a text from outside, and its name.
type Parser = (&'static str, fn(&str));

/// Every parser of a text from outside.
const PARSERS: [Parser; 24] = [
    ("build data", |text| {
        let Ok(data) = BuildData::parse(text) else { return };
        let names: Vec<String> = data.names().map(str::to_owned).collect();
        for name in names {
            let Ok(Some(assembly)) = data.assembly(&name) else { continue };
            let _ = ReleaseFacts::of(&assembly);
            let _ = GroupFile::parse(text)
                .map(|file| GroupConfig::of(&file, &assembly, YStream::new(4, 19)).is_ok());
        }
    }),
    ("StateBox", |text| {
        let _ = State::parse(text).map(|state| state.to_yaml());
    }),
    ("shipment file", |text| {
        let _ = ShipmentFile::new("a.yaml", text).components();
    }),
    ("y-streams", |text| {
        let _ = SupportedVersions::parse(text, "versions.yaml");
    }),
    ("test report", |text| {
        let _ = summarise(text);
    }),
    ("record", |text| {
        let _ = json::Value::parse(text);
    }),
    ("document", |text| {
        let _ = Document::parse(text);
        if let Ok(versions) = SupportedVersions::built_in() {
            let _ = check_document(text, &versions, None);
        }
    }),
    ("encrypted document", |text| {
        if let Ok(key) = Key::new(SecretString::from("oar-demo-key-16b")) {
            let _ = jwe::decrypt(text, &key);
        }
    }),
    ("kubeconfig", |text| {
        let _ = kubeconfig::parse(text, Path::new("/home/user/.kube"));
    }),
    ("Prow job", |text| {
        let _ = ProwJob::parse(text);
    }),
    ("elliott's answer", |text| {
        let _ = elliott::parse(BuildSystem::Konflux, text.as_bytes());
    }),
    ("Koji's answer", |text| {
        let _ = xmlrpc::answer(text);
    }),
    ("layer of an image", |text| {
        let _ = payload::files_of_layer(text.as_bytes(), &["release-manifests/release-metadata"]);
    }),
    ("images of a release", |text| {
        let _ = release::image_references(text.as_bytes());
    }),
    ("logins to registries", |text| {
        let _ = logins::login_of(text.as_bytes(), false, "quay.io", "demo/image").is_ok();
    }),
    ("registry of test jobs", |text| {
        let name: RegistryName = "ocp-4.19-test-jobs-amd64.json".parse().unwrap();
        let _ = TestJobRegistry::parse(name, text.as_bytes());
    }),
    ("record of a build", |text| {
        let name: ResultName = "ocp-test-result-4.19.1-amd64.json".parse().unwrap();
        let _ = ResultFile::parse(&name, text.as_bytes());
    }),
    ("latest file", |text| {
        let name: LatestName = "ocp-latest-4.19-stable-amd64.json".parse().unwrap();
        let _ = LatestFile::parse(name, text);
    }),
    ("signed statement", |text| {
        for kind in [ClaimKind::Openpgp, ClaimKind::Sigstore] {
            let _ = Claim::parse(text.as_bytes(), kind);
        }
    }),
    ("signature", |text| {
        let _ = signature::open(text.as_bytes(), &ReleaseKeys::default(), jiff::Timestamp::UNIX_EPOCH);
    }),
    ("release key", |text| {
        for text in [
            text.to_owned(),
            format!("-----BEGIN PGP PUBLIC KEY BLOCK-----\n{text}"),
            format!("-----BEGIN PUBLIC KEY-----\n{text}"),
        ] {
            let _ = ReleaseKeys::default().add("a", &text);
        }
    }),
    ("Slack's event", |text| {
        let _ = IncomingMessage::of_event(text);
    }),
    ("message for the bot", |text| {
        let _ = listen(text, &Addressee { bot: None, programs: &["oar"] });
    }),
    ("frame of a socket", |text| {
        let _ = Frame::parse(text);
    }),
];

/// Words and characters of which such texts consist.
fn piece() -> impl Strategy<Value = String> {
    let words = [
        "releases:",
        "assembly:",
        "basis:",
        "group:",
        "advisories:",
        "advisories!:",
        "shipment-:",
        "url:",
        "release_jira:",
        "tasks:",
        "issues:",
        "metadata:",
        "shipment:",
        "data:",
        "y_streams:",
        "total:",
        "a",
        "4.19.1",
        "-1",
        "0",
        "ART-0",
        "\n",
        "\n  ",
        "\n    ",
        "\n- ",
        "\n  - ",
        " ",
        ": ",
        "- ",
        "? ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "&a ",
        "*a",
        "<<: ",
        "!t ",
        "'",
        "\"",
        "|",
        ">",
        "#",
        "%",
        "\t",
        "\u{85}",
        "\u{2028}",
        "\u{feff}",
        "\u{7}",
        "e30",
        ".",
        "\\u",
        "999999999999999999999",
    ];
    prop_oneof![4 => proptest::sample::select(words.to_vec()).prop_map(str::to_owned), 1 => "\\PC{0,6}"]
}

proptest! {
    #[test]
    fn no_text_brings_a_parser_down(pieces in proptest::collection::vec(piece(), 0..60)) {
        let text = pieces.concat();
        for (_, parse) in PARSERS {
            parse(&text);
        }
    }
}

#[test]
fn deep_wide_and_endless_texts_end_in_every_parser() {
    for text in [
        "[".repeat(200_000),
        "{\"a\":".repeat(100_000),
        "a: [".repeat(50_000),
        "- ".repeat(100_000),
        format!("releases: {{{}}}", "a: {assembly: {}}, ".repeat(20_000)),
        format!("tasks: [{}]", "{}, ".repeat(50_000)),
        "\n".repeat(1_000_000),
        " ".repeat(1_000_000),
        "a".repeat(3_000_000),
        ".".repeat(100_000),
        format!("\"{}", "\\".repeat(100_000)),
    ] {
        for (_, parse) in PARSERS {
            parse(&text);
        }
    }
}
