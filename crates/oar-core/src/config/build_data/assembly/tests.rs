use super::*;

fn parse(text: &str) -> BuildData {
    BuildData::parse(text).unwrap()
}

/// A merged value as it would be written, in one line.
fn written(value: &Merged<'_>) -> String {
    match &value.content {
        Content::Plain(Node::Text(text)) => text.clone(),
        Content::Plain(Node::Integer(number)) => number.to_string(),
        Content::Plain(Node::Null) => "~".to_owned(),
        Content::Plain(other) => format!("{other:?}"),
        Content::List(items) => format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(", ")),
        Content::Map(entries) => {
            let entries: Vec<String> =
                entries.iter().map(|(key, value)| format!("{key}: {}", written(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

/// The section `group` of `a`, which inherits from `b`, which inherits from `c`.
fn group_of(a: &str, b: &str, c: &str) -> String {
    let data = parse(&format!(
        "releases:
  a: {{assembly: {{basis: {{assembly: b}}, group: {a}}}}}
  b: {{assembly: {{basis: {{assembly: c}}, group: {b}}}}}
  c: {{assembly: {{group: {c}}}}}
"
    ));
    written(&data.assembly("a").unwrap().unwrap().group)
}

const CHAIN: &str = "
releases:
  4.19.3: {assembly: {basis: {assembly: 4.19.2}, group: {release_jira: ART-3}}}
  4.19.2: {assembly: {basis: {assembly: rc.7, 'reference_releases!': {}}, group: {'advisories!': {rpm: 2}}}}
  rc.7: {assembly: {basis: {reference_releases: {x86_64: nightly}}, group: {advisories: {rpm: 7, image: 8}, release_jira: ART-7, release_date: 2025-Jan-07}}}
  stream: {assembly: {type: stream}}
  broken: [1]
";

#[test]
fn values_come_from_the_whole_chain_with_their_origin() {
    let data = parse(CHAIN);
    let assembly = data.assembly("4.19.3").unwrap().unwrap();
    assert_eq!(assembly.parents().collect::<Vec<_>>(), ["4.19.2", "rc.7"]);
    let value = |key: &str| assembly.group(key).map(|value| (written(value), value.origin)).unwrap();
    assert_eq!(value("release_jira"), ("ART-3".to_owned(), "4.19.3"));
    assert_eq!(value("release_date"), ("2025-Jan-07".to_owned(), "rc.7"));
    assert_eq!(value("advisories"), ("{rpm: 2}".to_owned(), "4.19.2"));
    assert_eq!(assembly.group("advisories").unwrap().get("rpm").unwrap().origin, "4.19.2");
    assert_eq!(written(assembly.basis("reference_releases").unwrap()), "{}");
}

#[test]
fn sections_are_merged_as_art_merges_them() {
    for (a, b, c, expected) in [
        // Mappings entry by entry at every depth, over the whole chain.
        ("{m: {x: 1}}", "{m: {y: 2}}", "{m: {x: 9, z: 3}}", "{m: {x: 1, z: 3, y: 2}}"),
        ("{m: {n: {x: 1}}}", "{}", "{m: {n: {y: 2}, o: 3}}", "{m: {n: {y: 2, x: 1}, o: 3}}"),
        // Lists are joined without duplicates.
        ("{l: [c, a]}", "{l: [b]}", "{l: [a]}", "{l: [a, b, c]}"),
        ("{l: [{k: 1}, {k: 2}]}", "{}", "{l: [{k: 1}]}", "{l: [{k: 1}, {k: 2}]}"),
        // A scalar replaces, and so do null and values of another type.
        ("{x: 1}", "{x: 2}", "{x: 3}", "{x: 1}"),
        ("{x: ~}", "{x: 2}", "{}", "{x: ~}"),
        ("{x: [1]}", "{x: {y: 1}}", "{x: 3}", "{x: [1]}"),
        // The markers.
        ("{'m!': {x: 1}}", "{}", "{m: {y: 2}}", "{m: {x: 1}}"),
        ("{m: {'n!': {x: 1}}}", "{}", "{m: {n: {y: 2}, o: 3}}", "{m: {n: {x: 1}, o: 3}}"),
        ("{'m?': 1, 'n?': 1}", "{}", "{m: 2}", "{m: 2, n: 1}"),
        ("{'m-': ~, 'n-': 5}", "{}", "{m: 2, o: 3}", "{o: 3}"),
        ("{m: {'x-': ~}}", "{m: {'y?': 7}}", "{m: {x: 2, z: 3}}", "{m: {z: 3, y: 7}}"),
        ("{}", "{'m-': ~}", "{m: 2, o: 3}", "{o: 3}"),
        ("{m: 1}", "{'m-': ~}", "{m: 2}", "{m: 1}"),
        // Markers also apply when the parent has no value.
        ("{m: {'x!': 1, 'y?': 2, 'z-': 3}}", "{}", "{}", "{m: {x: 1, y: 2}}"),
        ("{'m!': {'x!': 1, 'z-': 3}}", "{}", "{m: {z: 1}}", "{m: {x: 1}}"),
        // Section by section.
        ("~", "{m: 1}", "{m: 2}", "~"),
        ("{}", "~", "{m: 2}", "{}"),
    ] {
        assert_eq!(group_of(a, b, c), expected, "{a} over {b} over {c}");
    }
}

#[test]
fn a_marker_at_the_top_level_is_an_error_of_whoever_wrote_it() {
    for key in ["group!", "basis?", "members-"] {
        let data = parse(&format!(
            "releases:
  a: {{assembly: {{basis: {{assembly: b}}}}}}
  b: {{assembly: {{'{key}': {{release_jira: ART-9}}}}}}
  c: {{assembly: {{group: {{}}}}}}
"
        ));
        let error = data.assembly("a").unwrap_err().to_string();
        assert!(error.contains(&format!("`b`: the key `{key}`")), "{error}");
        assert!(data.assembly("c").unwrap().is_some(), "other entries are not spoilt");
    }
}

#[test]
fn other_entries_spoil_nothing_and_a_missing_basis_is_no_error() {
    let data = parse(CHAIN);
    assert!(data.assembly("stream").unwrap().unwrap().group("advisories").is_none());
    assert!(data.assembly("4.19.9").unwrap().is_none());
    let error = data.assembly("broken").unwrap_err().to_string();
    assert_eq!(error, "`broken`: `releases` is a list, expected a mapping");
}

#[test]
fn every_spelling_of_nothing_is_a_section_without_values() {
    for nothing in ["", "~", "''", "[]", "{}"] {
        let data = parse(&format!(
            "releases:\n  a:\n    assembly:\n      basis: {nothing}\n      group: {nothing}\n"
        ));
        let assembly = data.assembly("a").unwrap().unwrap();
        assert!(assembly.group("advisories").is_none() && assembly.parents().next().is_none(), "{nothing}");
        let data = parse(&format!("releases: {{a: {{assembly: {{basis: {{assembly: {nothing}}}}}}}}}"));
        assert!(data.assembly("a").unwrap().unwrap().parents().next().is_none(), "{nothing}");
        assert_eq!(parse(&format!("releases: {nothing}")).names().count(), 0, "{nothing}");
    }
}

#[test]
fn cycles_long_chains_and_missing_parents_are_named() {
    let data = parse(
        "releases:
  a: {assembly: {basis: {assembly: b}}}
  b: {assembly: {basis: {assembly: a}}}
  c: {assembly: {basis: {assembly: c}}}
  d: {assembly: {basis: {assembly: gone}}}
  e: {assembly: {basis: {assembly: [1]}}}
  f: {assembly: {basis: 7}}
  g: {}
",
    );
    let error = |name: &str| data.assembly(name).unwrap_err().to_string();
    assert_eq!(error("a"), "`a` inherits from itself: a → b → a");
    assert_eq!(error("c"), "`c` inherits from itself: c → c");
    assert_eq!(error("d"), "`d`: `basis.assembly` names `gone`, which is not under `releases`");
    assert!(error("e").contains("`basis.assembly` is a list"));
    assert!(error("f").contains("`basis` is the number 7"));
    assert!(error("g").contains("`assembly` is absent"));
    let entries: Vec<String> = (0..10_000)
        .map(|number| format!("  a{number}: {{assembly: {{basis: {{assembly: a{}}}}}}}\n", number + 1))
        .collect();
    let error = parse(&format!("releases:\n{}", entries.concat())).assembly("a0").unwrap_err().to_string();
    assert_eq!(error, "`a0` has more than 64 parents");
}

#[test]
fn a_file_that_is_none_is_refused() {
    for (text, words) in [
        ("", "empty"),
        ("[]", "a list"),
        ("x: 1", "no key `releases`"),
        ("releases: 5", "`releases` is the number 5"),
        ("releases: {a: b", "line 2"),
        ("<html>not found</html>", "the text `<html>"),
    ] {
        let error = BuildData::parse(text).unwrap_err().to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
    assert_eq!(parse("releases:").names().count(), 0);
}

#[test]
fn hostile_build_data_ends_at_a_limit() {
    let nested = format!("releases: {}{}", "[".repeat(60_000), "]".repeat(60_000));
    let error = BuildData::parse(&nested).unwrap_err().to_string();
    assert!(error.contains("line 1: "), "{error}");
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let refs = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.extend([format!("a{level}: &a{level} [{refs}]\n")]);
    }
    let error = BuildData::parse(&bomb).unwrap_err().to_string();
    assert!(error.contains("more than 500000 values"), "{error}");
}

#[test]
fn the_closest_releases_are_those_before_and_after() {
    let data =
        parse("releases: {4.19.9: 1, 4.19.10: 1, 4.19.12: 1, 4.19.13: 1, rc.1: 1, ec.2: 1, stream: 1}");
    let closest = |release: &str| data.closest(&release.parse().unwrap());
    assert_eq!(closest("4.19.11"), ["4.19.9", "4.19.10", "4.19.12", "4.19.13"]);
    assert_eq!(closest("4.19.99"), ["4.19.12", "4.19.13"]);
    assert_eq!(closest("4.19.0-rc.0"), ["ec.2", "rc.1", "4.19.9"]);
}

#[test]
#[ignore = "needs real files: OAR_SAMPLES=DIR cargo test -p oar-core --lib real_build_data -- --ignored"]
fn real_build_data_is_read_and_no_release_has_identifiers_of_another() {
    let samples = std::env::var("OAR_SAMPLES").expect("OAR_SAMPLES names a directory with build-data/");
    for stream in ["4.14", "4.20"] {
        let path = format!("{samples}/build-data/openshift-{stream}-releases.yml");
        let data = parse(&std::fs::read_to_string(path).unwrap());
        for name in data.names() {
            let assembly = data.assembly(name).unwrap().unwrap();
            let facts = super::super::ReleaseFacts::of(&assembly).unwrap();
            let is_release = name.parse::<ReleaseVersion>().is_ok();
            assert!(!is_release || facts.not_ours.is_empty(), "{name}: {:?}", facts.not_ours);
            let being_prepared = stream == "4.20" && ["ec.1", "ec.2", "ec.5"].contains(&name);
            assert_eq!(facts.has_shipment() && facts.shipment_mr.is_none(), being_prepared, "{name}");
        }
    }
}
