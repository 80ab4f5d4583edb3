//! What the interface answers about a record. All views show the same record (spec 02 §2.3, §11.2).

use serde_json::{Map, Value, json};

use super::model::{Advisory, AdvisoryState, AdvisoryType, Build, ExternalTest, PushJob};

fn day(date: Option<&String>) -> Option<String> {
    date.map(|date| format!("{date}T00:00:00Z"))
}

/// E-1. Flags are booleans here and integers in E-2.
pub(super) fn legacy(advisory: &Advisory) -> Value {
    json!({
        "id": advisory.id,
        "advisory_name": advisory.full_name().rsplit_once('-').map_or("", |(name, _)| name),
        "fulladvisory": advisory.full_name(),
        "type": advisory.kind.name(),
        "synopsis": advisory.shown_synopsis(),
        "status": advisory.state.name(),
        "revision": advisory.respin_count + 1,
        "text_only": advisory.text_only,
        "text_ready": advisory.text_ready,
        "doc_complete": advisory.doc_complete,
        "rhnqa": advisory.is_staged() && !advisory.push_jobs.is_empty(),
        "security_impact": advisory.security_impact.clone().unwrap_or_else(|| "None".to_owned()),
        "content_types": advisory.content_types,
        "product": {"id": 79, "name": "OpenShift Container Platform", "short_name": advisory.product},
        "release": {"id": 1001, "name": advisory.release},
        "people": {
            "package_owner": advisory.package_owner,
            "reporter": advisory.reporter,
            "assigned_to": advisory.assigned_to,
            "qe_group": advisory.qe_group,
            "devel_group": "Default",
        },
        "timestamps": {
            "created_at": advisory.created_at,
            "status_updated_at": advisory.status_updated_at,
            "publish_date_override": day(advisory.publish_date_override.as_ref()),
            "actual_ship_date": advisory.actual_ship_date,
        },
    })
}

/// E-2.
pub(super) fn erratum(advisory: &Advisory, caller: &str) -> Value {
    let kind = advisory.kind.name().to_lowercase();
    let mut record = json!({
        "id": advisory.id,
        "errata_id": advisory.id % 10_000,
        "status": advisory.state.name(),
        "fulladvisory": advisory.full_name(),
        "synopsis": advisory.shown_synopsis(),
        "content_types": advisory.content_types,
        "text_only": advisory.text_only,
        "text_ready": u8::from(advisory.text_ready),
        "doc_complete": u8::from(advisory.doc_complete),
        "release_date": null,
        "publish_date_override": day(advisory.publish_date_override.as_ref()),
        "publish_date": day(advisory.publish_date_override.as_ref().or(advisory.publish_date.as_ref())),
        "actual_ship_date": advisory.actual_ship_date,
        "created_at": advisory.created_at,
        "status_updated_at": advisory.status_updated_at,
        "batch_id": 990,
        "manager_id": advisory.manager_id,
        "rhnqa": u8::from(advisory.is_staged() && !advisory.push_jobs.is_empty()),
        "sign_requested": 0,
        "respin_count": advisory.respin_count,
        "revision": advisory.respin_count + 1,
        "blocking_advisories": advisory.blocking_advisories,
        "security_impact": advisory.security_impact.clone().unwrap_or_else(|| "None".to_owned()),
    });
    if advisory.kind == AdvisoryType::Rhsa {
        record["security_approved"] = json!(advisory.security_approved);
    }
    let bugs: Vec<Value> = advisory.bugs.iter().map(|id| json!({"bug": {"id": id}})).collect();
    let issues: Vec<Value> = advisory
        .jira_issues
        .iter()
        .map(|key| json!({"jira_issue": {"key": key, "status": "ON_QA", "summary": format!("Bug {key}")}}))
        .collect();
    json!({
        "who": {"user": {"login_name": caller}},
        "params": {
            "action": "show", "controller": "api/v1/erratum", "format": "json", "id": advisory.id.to_string()
        },
        "original_type": kind,
        "errata": {kind: record},
        "content": {"content": {
            "topic": advisory.topic,
            "description": advisory.description,
            "solution": advisory.solution,
            "cve": advisory.cve,
            "text_only_cpe": advisory.text_only_cpe,
        }},
        "bugs": {
            "type": "bugs", "id_field": "id", "id_prefix": "bz:", "idsfixed": advisory.bugs, "bugs": bugs,
            "to_fetch": [],
        },
        "jira_issues": {
            "type": "jira_issues", "id_field": "key", "id_prefix": "jira:", "idsfixed": advisory.jira_issues,
            "jira_issues": issues, "to_fetch": [],
        },
        "diffs": {},
    })
}

/// E-3.
pub(super) fn tps_jobs(advisory: &Advisory) -> Value {
    advisory
        .tps_jobs
        .iter()
        .zip(1u32..)
        .map(|(job, number)| json!({"job_id": advisory.id * 10 + number, "rhnqa": job.rhnqa, "state": job.state}))
        .collect()
}

fn by_product_version(advisory: &Advisory, view: impl Fn(&Build) -> (String, Value)) -> Map<String, Value> {
    let mut versions = Map::new();
    for build in &advisory.builds {
        let (nvr, value) = view(build);
        let list = versions.entry(build.product_version.clone()).or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut() {
            list.push(json!({nvr: value}));
        }
    }
    versions
}

/// E-4.
pub(super) fn legacy_builds(advisory: &Advisory) -> Value {
    Value::Object(by_product_version(advisory, |build| (build.nvr.clone(), json!(build.files))))
}

/// E-15.
pub(super) fn builds(advisory: &Advisory) -> Value {
    let versions = by_product_version(advisory, |build| {
        let value = json!({
            "nvr": build.nvr, "nevr": build.nvr, "id": build.id, "is_module": false,
            "variant_arch": build.files, "added_by": null,
        });
        (build.nvr.clone(), value)
    });
    versions
        .into_iter()
        .map(|(name, builds)| {
            let version =
                json!({"name": name, "description": format!("Product version {name}"), "builds": builds});
            (name, version)
        })
        .collect()
}

/// E-5.
pub(super) fn build(build: &Build, advisories: &[&Advisory]) -> Value {
    let errata = |advisory: &Advisory| json!({"id": advisory.id, "name": advisory.full_name(), "status": advisory.state.name()});
    let released = advisories.iter().find(|advisory| advisory.state == AdvisoryState::ShippedLive);
    let files: Vec<Value> = build
        .files
        .values()
        .flat_map(|arches| arches.values().flatten())
        .map(|name| json!({"path": name}))
        .collect();
    json!({
        "id": build.id,
        "nvr": build.nvr,
        "rpms_signed": build.rpms_signed,
        "released_errata": released.map(|advisory| errata(advisory)),
        "all_errata": advisories.iter().map(|advisory| errata(advisory)).collect::<Vec<_>>(),
        "files": files,
    })
}

/// E-8.
pub(super) fn push_job(advisory: u32, job: &PushJob, base: &str) -> Value {
    json!({
        "id": job.id,
        "url": format!("{base}/api/v1/erratum/{advisory}/push/{}", job.id),
        "errata": {"id": advisory},
        "pub_task": (!job.untasked && job.status != "READY").then(|| json!({"id": job.id % 100_000})),
        "status": job.status,
        "target": {"id": 10, "name": job.target},
        "options": if job.nochannel {
            json!({"nochannel": true, "push_files": true})
        } else {
            json!({"priority": 22, "push_files": true, "push_metadata": true})
        },
        "pre_push_tasks": [],
        "post_push_tasks": [],
        "log": job.log(),
    })
}

/// E-10, one entry.
pub(super) fn external_test(advisory: &Advisory, test: &ExternalTest) -> Value {
    json!({
        "id": test.id,
        "type": "external_tests",
        "attributes": {
            "test_type": test.test_type,
            "active": test.active,
            "status": test.status,
            "external_id": test.id + 1_000_000,
            "external_status": test.status,
            "external_message": null,
            "external_data": {},
            "created_at": advisory.created_at,
            "updated_at": advisory.status_updated_at,
        },
        "relationships": {
            "errata": {
                "id": advisory.id, "fulladvisory": advisory.full_name(), "errata_type": advisory.kind.name(),
            },
            "brew_build": {"id": test.id + 3_000_000, "nvr": test.nvr},
        },
    })
}

/// E-11 and E-12.
pub(super) fn security_alerts(advisory: &Advisory) -> Value {
    let alerts: Vec<Value> = advisory
        .security_alerts
        .iter()
        .zip(1u32..)
        .map(|(text, id)| json!({"id": id, "text": text}))
        .collect();
    json!({"alerts": {"blocking": advisory.security_alerts_block, "alerts": alerts}})
}
