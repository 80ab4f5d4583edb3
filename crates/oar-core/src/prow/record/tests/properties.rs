//! Properties that hold for any file of programs and people.

use proptest::prelude::*;

use super::*;
use crate::prow::json::tests::values;

/// Files as programs and people write them: any number of jobs and runs, unknown keys and values at every
/// level.
pub(crate) fn files() -> impl Strategy<Value = ResultFile> {
    let state = prop::sample::select(vec![
        "scheduling",
        "triggered",
        "pending",
        "success",
        "failure",
        "aborted",
        "error",
        "odd",
    ]);
    let run = (
        0u32..10_000,
        prop::option::of(state),
        any::<bool>(),
        any::<bool>(),
        prop::option::of(values()),
        prop::option::of(values()),
    );
    let run = run
        .prop_map(|(number, state, completed, url, summary, unknown)| {
            let mut run = Map::of([("jobID", format!("run-{number}").into())]);
            for (key, value) in [
                ("jobURL", url.then(|| format!("https://deck.example.test/{number}").into())),
                ("jobState", state.map(Value::from)),
                ("jobCompletionTime", completed.then(|| "2026-01-01T04:00:00Z".into())),
                ("testResultSummary", summary),
                ("unknown", unknown),
            ] {
                if let Some(value) = value {
                    run.set(key, value);
                }
            }
            Value::Map(run)
        })
        .boxed();
    let entry = (
        "[a-d]",
        run.clone(),
        prop::option::of(prop::collection::vec(run, 0..5)),
        prop::option::of(values()),
    );
    let entry = entry.prop_map(|(name, first, retried, unknown)| {
        let mut entry =
            Map::of([("jobName", format!("periodic-ci-demo-{name}").into()), ("firstJob", first)]);
        if let Some(retried) = retried {
            entry.set("retriedJobs", retried);
        }
        if let Some(unknown) = unknown {
            entry.set("note", unknown);
        }
        Value::Map(entry)
    });
    let flags = (
        prop::option::of(any::<bool>()),
        prop::option::of(any::<bool>()),
        any::<bool>(),
        prop::option::of(values()),
    );
    (prop::collection::vec(entry, 0..5), flags).prop_map(
        |(entries, (aggregated, accepted, promoted, unknown))| {
            let mut document =
                Map::of([("result", entries.into()), ("build", build().document().clone().into())]);
            for (key, value) in [
                ("aggregated", aggregated.map(Value::from)),
                ("accepted", accepted.map(Value::from)),
                ("manual_promotion", promoted.then_some(Value::Bool(true))),
                ("unknown", unknown),
            ] {
                if let Some(value) = value {
                    document.set(key, value);
                }
            }
            ResultFile::parse(&name(), document.to_text().as_bytes()).unwrap()
        },
    )
}

/// Everything in the file that no operation may change, with its path.
fn foreign(file: &ResultFile) -> Vec<String> {
    let mut found = Vec::new();
    for (index, entry) in
        file.document.get("result").and_then(Value::as_list).unwrap_or_default().iter().enumerate()
    {
        let entry = entry.as_map().unwrap();
        let retried = entry.get("retriedJobs").and_then(Value::as_list).unwrap_or_default();
        for run in entry.get("firstJob").into_iter().chain(retried) {
            let unknown = run.as_map().unwrap().get("unknown").map(Value::to_text);
            found.push(format!("{index} {unknown:?}"));
        }
        found.push(format!("{index} {:?}", entry.get("note").map(Value::to_text)));
    }
    found.push(format!("{:?}", file.document.get("unknown").map(Value::to_text)));
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_file_is_written_as_it_was_read(file in files()) {
        let text = file.to_text();
        let read = ResultFile::parse(file.name(), text.as_bytes()).unwrap();
        prop_assert_eq!(read.form(), Form::Exact);
        prop_assert_eq!(read.changed_text(), None);
        prop_assert_eq!(read.to_text(), text);
    }

    #[test]
    fn what_no_operation_owns_survives_all_of_them(file in files(), state in 0usize..7, which in any::<prop::sample::Index>()) {
        let states = ["scheduling", "triggered", "pending", "success", "failure", "aborted", "error"];
        let before = foreign(&file);
        let mut after = stored(&file);
        let runs: Vec<(String, String)> = file.jobs()
            .flat_map(|job| job.runs().map(move |run| (job.name().into_owned(), run.id().unwrap().into_owned())))
            .collect();
        if !runs.is_empty() {
            let (job, run) = which.get(&runs);
            let state = ProwState::parse(states[state]).unwrap();
            let seen = seen(job, &run.parse().unwrap(), state);
            let _ = after.record_run(job, &seen).unwrap();
            let once = after.to_text();
            prop_assert_eq!(after.record_run(job, &seen).unwrap(), Change::Unchanged);
            prop_assert_eq!(after.to_text(), once);
            let _ = after.record_summary(job, run, &Map::default()).unwrap();
            prop_assert_eq!(foreign(&after), before.clone());
        }
        let _ = after.complete(true);
        let _ = after.promote();
        prop_assert_eq!(foreign(&after), before);
        prop_assert_eq!(stored(&after).to_text(), after.to_text());
    }

    #[test]
    fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = ResultFile::parse(&name(), &bytes);
    }
}
