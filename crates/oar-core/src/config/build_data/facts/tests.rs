use super::super::BuildData;
use super::*;

fn facts(yaml: &str, name: &str) -> Result<ReleaseFacts, BuildDataError> {
    let data = BuildData::parse(yaml).unwrap();
    ReleaseFacts::of(&data.assembly(name)?.unwrap())
}

const STREAM: &str = "
releases:
  4.19.7:
    assembly:
      type: standard
      basis:
        time: '2025-01-01T00:00:00+00:00'
        reference_releases: {x86_64: 4.19.0-0.nightly-2025-01-01-000000, s390x: null}
      group:
        advisories: {rpm: 100001, rhcos: 100002, microshift: '100003'}
        release_jira: ART-1
        release_date: 2025-Jan-07
        shipment:
          advisories: [{kind: image, live_id: 1}, {kind: fbc}]
          env: stage
          url: https://gitlab.example.com/group/sub/project/-/merge_requests/12
        upgrades: 4.18.1,4.18.2
      members: {images: [], rpms: []}
  4.19.8:
    assembly:
      basis: {assembly: 4.19.7, 'reference_releases!': {}}
      group:
        advisories!: {image: 100009}
        release_jira: ART-2
  ec.5:
    assembly:
      basis: {brew_event: 1, reference_releases: {x86_64: nightly}}
      group:
        advisories: {rpm: 100001, prerelease: 100004}
        shipment: {advisories: [{kind: image}], env: stage}
  stream: {assembly: {type: stream, permits: [{code: '*'}]}}
";

#[test]
fn every_fact_is_read() {
    let found = facts(STREAM, "4.19.7").unwrap();
    let advisories: Vec<_> = found.advisories.iter().map(|(kind, id)| (kind.as_str(), id.number())).collect();
    assert_eq!(advisories, [("rpm", 100_001), ("rhcos", 100_002), ("microshift", 100_003)]);
    assert_eq!(found.jira_ticket.as_ref().map(IssueKey::as_str), Some("ART-1"));
    assert_eq!(found.candidate_builds["x86_64"], "4.19.0-0.nightly-2025-01-01-000000");
    assert_eq!(found.candidate_builds.len(), 1);
    assert_eq!(found.release_date.unwrap().date(), jiff::civil::date(2025, 1, 7));
    let shipment = found.shipment_mr.unwrap();
    assert_eq!(
        (shipment.host(), shipment.project(), shipment.iid()),
        ("gitlab.example.com", "group/sub/project", 12)
    );
}

#[test]
fn a_child_replaces_and_inherits() {
    let found = facts(STREAM, "4.19.8").unwrap();
    assert_eq!(found.advisories.len(), 1);
    assert!(found.candidate_builds.is_empty());
    assert_eq!(found.jira_ticket.as_ref().map(IssueKey::as_str), Some("ART-2"));
    assert_eq!(found.release_date.unwrap().as_str(), "2025-Jan-07");
    assert_eq!(found.not_ours.len(), 1, "the merge request is that of 4.19.7");
    assert_eq!(found.shipment_mr, None);
}

#[test]
fn a_shipment_without_url_is_being_prepared_and_absent_facts_are_none() {
    let early = facts(STREAM, "ec.5").unwrap();
    assert_eq!((early.shipment_mr.is_none(), early.has_shipment()), (true, true));
    assert_eq!(early.pending, [Pending::Shipment]);
    assert_eq!(early.shipment_kinds, [ShipmentKind { kind: "image".into(), live_id: None }]);
    let stream = facts(STREAM, "stream").unwrap();
    assert!(stream.advisories.is_empty() && stream.candidate_builds.is_empty());
    assert_eq!((stream.jira_ticket, stream.release_date, stream.shipment_mr), (None, None, None));
}

#[test]
fn wrong_values_name_entry_field_and_expectation() {
    for (group, words) in [
        ("advisories: [1]", "`a`: `group.advisories` is a list, expected a mapping of advisory kinds"),
        ("advisories: {rpm: x}", "`group.advisories.rpm` is the text `x`, expected the id of an advisory"),
        ("advisories: {rpm: 1.5}", "is the number 1.5"),
        ("advisories: {rpm: [1]}", "`group.advisories.rpm` is a list"),
        ("shipment: {advisories: x}", "`group.shipment.advisories` is the text `x`"),
        ("shipment: {advisories: [{kind: [1]}]}", "expected a mapping with `kind`"),
        ("release_jira: 7", "`group.release_jira` is the number 7, expected a text"),
        ("release_jira: TBD", "expected the key of a Jira issue (for example ART-1)"),
        (
            "release_date: 2025-13-01",
            "`group.release_date` is the text `2025-13-01`, expected a date as `YYYY-Mon-DD`",
        ),
        ("shipment: https://example.com", "`group.shipment` is the text"),
        ("shipment: {url: [x]}", "`group.shipment.url` is a list, expected the address of a merge request"),
        (
            "shipment: {url: 'https://gitlab.example.com/x'}",
            "expected the address of a merge request (for example",
        ),
    ] {
        let yaml = format!("releases: {{a: {{assembly: {{group: {{{group}}}}}}}}}");
        let error = facts(&yaml, "a").unwrap_err().to_string();
        assert!(error.contains(words), "{group}: {error}");
    }
    let yaml = "releases: {a: {assembly: {basis: {reference_releases: {x86_64: 4.19}}}}}";
    assert!(
        facts(yaml, "a").unwrap_err().to_string().contains("`basis.reference_releases.x86_64` is the number")
    );
}

#[test]
fn placeholders_say_what_is_not_there_yet() {
    let yaml = "releases: {a: {assembly: {group: {advisories: {rpm: -1, rhcos: 0, microshift: '-2', image: 5, extras: ''}, \
                release_jira: ART-0, shipment: {advisories: [{kind: image, live_id: 0}, {kind: fbc, live_id: 7}]}}}}}";
    let found = facts(yaml, "a").unwrap();
    let pending: Vec<String> = found.pending.iter().map(Pending::key).collect();
    assert_eq!(
        pending,
        ["advisory_ids.rpm", "advisory_ids.rhcos", "advisory_ids.microshift", "jira_ticket", "shipment_mr"]
    );
    assert_eq!(found.advisories.values().copied().collect::<Vec<_>>(), [AdvisoryId::new(5)]);
    assert_eq!((found.jira_ticket, found.shipment_mr), (None, None));
    let live: Vec<_> = found.shipment_kinds.iter().map(|kind| (kind.kind.as_str(), kind.live_id)).collect();
    assert_eq!(live, [("image", None), ("fbc", Some(7))]);
}

#[test]
fn every_spelling_of_nothing_is_absent() {
    for nothing in ["", "~", "''", "[]", "{}"] {
        let yaml = format!(
            "releases:\n  a:\n    assembly:\n      basis:\n        reference_releases: {nothing}\n      group:\n        \
             advisories: {nothing}\n        release_jira: {nothing}\n        release_date: {nothing}\n        \
             shipment: {nothing}\n"
        );
        let found = facts(&yaml, "a").unwrap();
        assert!(found.advisories.is_empty() && found.candidate_builds.is_empty(), "{nothing}");
        assert_eq!((&found.jira_ticket, &found.release_date), (&None, &None), "{nothing}");
        assert!(!found.has_shipment() && found.pending.is_empty(), "{nothing}");
        let yaml = format!(
            "releases:\n  a:\n    assembly:\n      group:\n        shipment:\n          url: {nothing}\n          \
             advisories: {nothing}\n          env: stage\n"
        );
        let found = facts(&yaml, "a").unwrap();
        assert_eq!(
            (found.pending.as_slice(), found.shipment_kinds.len()),
            (&[Pending::Shipment][..], 0),
            "{nothing}"
        );
    }
}

#[test]
fn identifiers_of_another_release_are_set_aside_with_their_origin() {
    let yaml = "releases:
  4.19.2: {assembly: {basis: {assembly: hotfix}, group: {release_date: 2026-Jul-14}}}
  hotfix: {assembly: {basis: {assembly: 4.19.1}, group: {advisories: {image: 3}}}}
  4.19.1:
    assembly:
      basis: {assembly: rc.3, reference_releases: {x86_64: nightly-1}}
      group:
        advisories: {rpm: 1, rhcos: -1}
        release_jira: ART-1
        shipment: {url: 'https://gitlab.example.com/g/p/-/merge_requests/12'}
  rc.3: {assembly: {group: {advisories: {extras: 9}}}}
";
    let found = facts(yaml, "4.19.2").unwrap();
    let foreign: Vec<String> = found.not_ours.iter().map(ToString::to_string).collect();
    assert_eq!(
        foreign,
        [
            "advisory_ids.rpm 1 of 4.19.1",
            "jira_ticket ART-1 of 4.19.1",
            "candidate_builds.x86_64 nightly-1 of 4.19.1",
            "shipment_mr https://gitlab.example.com/g/p/-/merge_requests/12 of 4.19.1",
        ]
    );
    let own: Vec<_> = found.advisories.iter().map(|(kind, id)| (kind.as_str(), id.number())).collect();
    assert_eq!(own, [("extras", 9), ("image", 3)], "a candidate and a custom assembly are no other release");
    assert!(found.has_shipment() && found.jira_ticket.is_none() && found.candidate_builds.is_empty());
}

#[test]
fn an_inherited_wrong_value_names_the_parent() {
    let yaml =
        "releases: {a: {assembly: {basis: {assembly: b}}}, b: {assembly: {group: {release_date: soon}}}}";
    assert!(facts(yaml, "a").unwrap_err().to_string().starts_with("`b`: `group.release_date`"));
}

#[test]
fn dates_are_read_in_every_spelling_that_occurs() {
    for (text, date) in [
        ("2025-Jan-07", (2025, 1, 7)),
        ("2026-MAY-14", (2026, 5, 14)),
        ("2026-Feb-3", (2026, 2, 3)),
        ("2024-feb-29", (2024, 2, 29)),
    ] {
        let parsed: ReleaseDate = text.parse().unwrap();
        assert_eq!(parsed.date(), jiff::civil::date(date.0, date.1, date.2));
        assert_eq!(parsed.to_string(), text);
    }
    for bad in [
        "",
        "2025-01-07",
        "2025-Feb-30",
        "0000-Jan-01",
        "25-Jan-07",
        "2025-Jan-007",
        "2025-Jan-+7",
        "2025-Jan-07-1",
        "2025-Sept-01",
    ] {
        assert!(bad.parse::<ReleaseDate>().is_err(), "{bad}");
    }
}

#[test]
fn merge_request_addresses_are_taken_apart() {
    for good in [
        "https://gitlab.example.com/g/p/-/merge_requests/12",
        "https://gitlab.example.com/g/p/-/merge_requests/12/diffs",
        "https://gitlab.example.com//g/p/-/merge_requests/12/",
    ] {
        let url: ShipmentUrl = good.parse().unwrap();
        assert_eq!((url.project(), url.iid(), url.as_str()), ("g/p", 12, good));
    }
    let plain = "https://gitlab.example.com/g/p/-/merge_requests/12";
    for tail in ["?private_token=glpat-0123456789abcdefghij#note", "#note_1", "?a=b", "?", "#a?b"] {
        let url: ShipmentUrl = format!("{plain}{tail}").parse().unwrap();
        assert_eq!((url.project(), url.iid(), url.as_str()), ("g/p", 12, plain), "{tail}");
    }
    for bad in [
        "",
        "gitlab.example.com/g/p/-/merge_requests/12",
        "https:///g/p",
        "https://gitlab.example.com/-/merge_requests/12",
        "https://gitlab.example.com/g/p/-/merge_requests/",
        "https://gitlab.example.com/g/p/-/merge_requests/x",
        "https://gitlab.example.com/g/p/-/merge_requests/0",
        "https://gitlab.example.com/g/p/merge_requests/12",
        "https://user:word@gitlab.example.com/g/p/-/merge_requests/12",
        "ssh://gitlab.example.com/g/p/-/merge_requests/12",
    ] {
        assert!(bad.parse::<ShipmentUrl>().is_err(), "{bad}");
    }
}
