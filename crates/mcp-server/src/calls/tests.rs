use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use oar_core::flow::log::{Level, record};
use oar_core::operations::{Observer as _, TABLE};
use oar_core::redact::Redactor;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::attend::{attend, follow};
use super::places::Places;
use super::runs::{Notes, Run, Runs, TO_STOP, WAITED_FOR, carry_out, combined};
use super::*;
use crate::result::LONGEST_RESULT;
use crate::tools::{Profile, Tool, tool};

const LIMIT: Duration = Duration::from_mins(10);

fn caller(name: &str) -> Arc<Caller> {
    Arc::new(Caller {
        name: name.to_owned(),
        scopes: AccessScope::ALL.into_iter().collect(),
        profile: Profile::Reference,
        standing_consent: BTreeSet::new(),
        may_elicit: false,
    })
}

fn context(name: &str) -> CallContext {
    let (caller, cancelled) = (caller(name), CancellationToken::new());
    CallContext { caller, cancelled, progress: None, elicit: None, trace: None, trail: Arc::default() }
}

fn done(text: &str) -> Answer {
    Answer::Text { text: text.to_owned(), ok: true, untrusted: false }
}

/// The runs, without what real tools need.
struct World {
    runs: Arc<Runs>,
    places: Places,
    tool: &'static Tool,
}

impl World {
    fn new() -> Self {
        Self::of("oar_stage_testing")
    }

    fn of(name: &str) -> Self {
        Self { runs: Arc::default(), places: Places::new(8, 16), tool: tool(name).unwrap() }
    }

    fn start<F: Future<Output = Answer> + Send + 'static>(
        &self,
        caller: &str,
        limit: Duration,
        work: impl FnOnce(Arc<Run>) -> F + Send + 'static,
    ) -> Arc<Run> {
        let ticket = self.places.enter(caller).unwrap();
        let run = self.runs.begin(self.tool.name, caller, false, RESULT_LIMIT).unwrap();
        let (runs, running) = (Arc::clone(&self.runs), Arc::clone(&run));
        tokio::spawn(async move {
            let answer = carry_out(&running, ticket, limit, TO_STOP, || work(Arc::clone(&running))).await;
            runs.finish(&running, answer);
        });
        run
    }

    async fn attend(&self, run: &Arc<Run>, context: &CallContext) -> Answer {
        attend(&self.runs, self.tool, run, context, &Redactor::default()).await
    }

    async fn get_run(&self, id: &str, context: &CallContext) -> Answer {
        self.get_run_with(id, json!({}), context).await
    }

    async fn get_run_with(&self, id: &str, mut arguments: Value, context: &CallContext) -> Answer {
        arguments["run_id"] = id.into();
        let arguments = tool("get_run").unwrap().check(arguments.as_object().cloned()).unwrap();
        follow(&self.runs, &arguments, context, &Redactor::default()).await
    }
}

async fn sleep(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_quick_is_answered_and_not_kept() {
    let world = World::new();
    let run = world.start("ann", LIMIT, |_| async {
        sleep(19).await;
        done("✓ Command succeeded")
    });
    assert_eq!(world.attend(&run, &context("ann")).await, done("✓ Command succeeded"));
    assert_eq!((world.runs.running(), world.runs.kept()), (0, 0));
    assert!(!world.get_run(&run.id, &context("ann")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_takes_long_is_answered_with_its_id_and_followed_to_its_end() {
    let world = World::new();
    let start = Instant::now();
    let run = world.start("ann", LIMIT, |run| async move {
        Notes(run.output.clone()).note("the build waits in the queue");
        sleep(50).await;
        done("✓ Command succeeded")
    });
    let answer = world.attend(&run, &context("ann")).await;
    assert!(start.elapsed() >= WAITED_FOR && start.elapsed() < WAITED_FOR + Duration::from_secs(1));
    let text = answer.text();
    assert!(answer.is_ok() && text.contains(&format!("run_id: {}", run.id)), "{text}");
    assert!(text.contains("get_run") && text.contains("the build waits in the queue"), "{text}");
    let progress = world.get_run(&run.id, &context("ann")).await;
    let Answer::Run { is_finished: false, ok: true, ref text, .. } = progress else { panic!("{progress:?}") };
    assert!(text.contains("the build waits in the queue"), "{text}");
    for _ in 0..2 {
        let end = world.get_run(&run.id, &context("ann")).await;
        let Answer::Run { is_finished: true, ok: true, ref text, .. } = end else { panic!("{end:?}") };
        assert_eq!(text, "✓ Command succeeded");
    }
    assert!(start.elapsed() < Duration::from_secs(52));
    let others = world.get_run(&run.id, &context("bob")).await;
    assert!(!others.is_ok() && !others.text().contains("succeeded"), "{others:?}");
    sleep(3601).await;
    assert!(!world.get_run(&run.id, &context("ann")).await.is_ok());
    assert_eq!(world.runs.kept(), 0);
}

#[tokio::test(start_paused = true)]
async fn while_the_server_ends_nobody_is_given_an_id_that_cannot_be_followed() {
    let world = World::new();
    let (runs, start) = (Arc::clone(&world.runs), Instant::now());
    let run = world.start("ann", LIMIT, |run| async move {
        run.interrupt.wait().await;
        done("recorded")
    });
    world.runs.will_end();
    tokio::spawn(async move {
        tokio::time::sleep(WAITED_FOR + Duration::from_secs(5)).await;
        runs.close("the server is being stopped");
    });
    assert_eq!(world.attend(&run, &context("ann")).await, done("recorded"));
    assert!(start.elapsed() >= WAITED_FOR + Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_document_that_is_late_is_no_success_without_its_keys() {
    let world = World::of("oar_get_release_status");
    let run = world.start("ann", LIMIT, |_| async {
        sleep(30).await;
        done("late")
    });
    let answer = world.attend(&run, &context("ann")).await;
    assert!(!answer.is_ok() && answer.text().contains(&run.id), "{answer:?}");
}

/// Clients raise an error where a call failed, and models repeat it: a pass that goes on is neither.
#[tokio::test(start_paused = true)]
async fn an_operation_that_is_late_succeeds_with_its_run() {
    let world = World::of("release_advance");
    let run = world.start("ann", LIMIT, |run| async move {
        Notes(run.output.clone()).note("the build waits in the queue");
        sleep(30).await;
        Answer::Document { document: json!({}), whole: None, ok: true, untrusted: true, fits: true }
    });
    let answer = world.attend(&run, &context("ann")).await;
    assert!(answer.is_ok() && answer.is_untrusted(), "{answer:?}");
    let document: Value = serde_json::from_str(&answer.text()).unwrap();
    assert_eq!((&document["run_id"], &document["state"]), (&json!(run.id), &json!("running")));
    assert_eq!(document["so_far"], "the build waits in the queue");
    let given = answer.into_result().structured_content.unwrap();
    let schema = world.tool.definition().output_schema.clone().unwrap();
    let schema = Value::Object((*schema).clone());
    assert!(jsonschema::is_valid(&schema, &given), "{given:#} is not as {schema:#}");
    // What it must have in the end is still looked at.
    assert!(world.tool.fits(&given).is_err());
    let end = world.get_run(&run.id, &context("ann")).await;
    assert!(matches!(end, Answer::Run { is_finished: true, ok: true, .. }), "{end:?}");
}

#[tokio::test(start_paused = true)]
async fn what_an_answer_leaves_out_can_be_had_by_its_caller() {
    let world = World::new();
    let text = (0..9000).map(|number| format!("line {number}\n")).collect::<Vec<_>>().concat();
    let whole = text.clone();
    let run = world.start("ann", LIMIT, |_| async move { done(&text) });
    let answer = world.attend(&run, &context("ann")).await.text();
    assert!(
        answer.len() <= LONGEST_RESULT && answer.contains(&format!("run://{}", run.id)),
        "{}",
        answer.len()
    );
    let (head, note) = answer.split_once("\n… ").unwrap();
    assert!(note.contains(&format!("run_id {} and offset {} ", run.id, head.len())), "{note}");
    assert_eq!(run.result(), Some(whole.clone()));
    let part = world.get_run_with(&run.id, json!({ "offset": head.len() }), &context("ann")).await;
    assert!(part.is_ok() && whole[head.len()..].starts_with(part.text().split_once("\n… ").unwrap().0));
    assert!(!world.get_run(&run.id, &context("bob")).await.is_ok());
    assert_eq!(run.output.text(), "", "what it wrote is not kept twice");
}

#[tokio::test(start_paused = true)]
async fn only_so_many_results_are_kept_and_only_so_much_of_each() {
    let world = World::new();
    let begin = |caller: String, length: usize| {
        let run = world.start(&caller, LIMIT, move |_| async move {
            sleep(21).await;
            done(&"x".repeat(length))
        });
        (run, context(&caller))
    };
    let runs: Vec<_> = (0..210).map(|number| begin(format!("caller-{number}"), 100)).collect();
    futures::future::join_all(runs.iter().map(|(run, context)| world.attend(run, context))).await;
    futures::future::join_all(runs.iter().map(|(run, _)| run.end())).await;
    assert_eq!((world.runs.kept(), world.runs.running()), (200, 0));
    // One caller with long results has only its part.
    for _ in 0..100 {
        let (run, context) = begin("ann".to_owned(), 1_000_000);
        world.attend(&run, &context).await;
        run.end().await;
        let length = run.result().unwrap().len();
        assert!(length <= RESULT_LIMIT && run.end().await.text().len() <= LONGEST_RESULT, "{length}");
    }
    let own = world.runs.kept_of("ann");
    assert!((10..=16).contains(&own), "{own}");
    assert_eq!(world.runs.kept(), 200);
}

/// Whoever began a run that goes on can stop it: it records where it stopped, and others cannot.
#[tokio::test(start_paused = true)]
async fn a_caller_stops_its_own_run() {
    let world = World::new();
    let run = world.start("ann", LIMIT, |run| async move {
        run.interrupt.wait().await;
        sleep(1).await;
        Answer::Text {
            text: format!("recorded: {}", run.why_stopped().unwrap()),
            ok: false,
            untrusted: false,
        }
    });
    assert!(world.attend(&run, &context("ann")).await.text().contains("`stop`"));
    let stop = json!({ "stop": true });
    assert!(!world.get_run_with(&run.id, stop.clone(), &context("bob")).await.is_ok());
    assert_eq!(run.why_stopped(), None);
    let end = world.get_run_with(&run.id, stop.clone(), &context("ann")).await;
    let Answer::Run { is_finished: true, ok: false, ref text, .. } = end else { panic!("{end:?}") };
    assert_eq!(text, "recorded: ann stopped it");
    assert_eq!(run.outcome(&end), Outcome::Cancelled);
    // Once it has ended there is nothing to stop, and its result stays.
    assert_eq!(world.get_run_with(&run.id, stop, &context("ann")).await, end);
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_stops_the_work_and_says_so() {
    let world = World::new();
    let context = context("ann");
    let run = world.start("ann", LIMIT, |run| async move {
        run.interrupt.wait().await;
        // What it must record takes a moment.
        sleep(1).await;
        done(&format!("stopped: {}", run.why_stopped().unwrap()))
    });
    let cancel = context.cancelled.clone();
    tokio::spawn(async move {
        sleep(2).await;
        cancel.cancel();
    });
    assert_eq!(world.attend(&run, &context).await, done("stopped: cancelled by the caller"));
    assert_eq!(world.runs.running(), 0);
}

/// Dropped work says what it had written.
#[tokio::test(start_paused = true)]
async fn work_that_does_not_stop_is_dropped_in_time() {
    struct Dropped(Arc<AtomicBool>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let world = World::new();
    let is_dropped = Arc::new(AtomicBool::new(false));
    let dropped = Dropped(Arc::clone(&is_dropped));
    let start = Instant::now();
    let run = world.start("ann", Duration::from_secs(5), |run| async move {
        let _dropped = dropped;
        Notes(run.output.clone()).note("build 7 was started");
        run.log
            .observe(async { record(Level::Info, "2026-07-02T06:55:57Z: INFO: the job is triggered") })
            .await;
        std::future::pending::<Answer>().await
    });
    let answer = world.attend(&run, &context("ann")).await;
    assert_eq!(start.elapsed().as_secs(), 5 + TO_STOP.as_secs());
    let text = answer.text();
    assert!(!answer.is_ok() && text.contains("longer than 5 s"), "{text}");
    assert!(text.contains("build 7 was started") && text.contains("the job is triggered"), "{text}");
    assert!(is_dropped.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_stops_their_call() {
    let world = Arc::new(World::new());
    let run = world.start("ann", LIMIT, |run| async move {
        run.interrupt.wait().await;
        done("stopped")
    });
    let waiting: JoinHandle<Answer> = tokio::spawn({
        let (world, run) = (Arc::clone(&world), Arc::clone(&run));
        async move { world.attend(&run, &context("ann")).await }
    });
    sleep(1).await;
    waiting.abort();
    run.end().await;
    assert_eq!(run.why_stopped().as_deref(), Some("the caller is gone"));
    assert_eq!(world.runs.running(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_stops_following_a_run_does_not_stop_it() {
    let world = World::new();
    let run = world.start("ann", LIMIT, |_| async {
        sleep(60).await;
        done("✓ Command succeeded")
    });
    world.attend(&run, &context("ann")).await;
    let follower = context("ann");
    follower.cancelled.cancel();
    let progress = world.get_run(&run.id, &follower).await;
    assert!(matches!(progress, Answer::Run { is_finished: false, .. }), "{progress:?}");
    assert_eq!(run.end().await.text(), "✓ Command succeeded");
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_and_leaves_nothing() {
    let world = World::new();
    let run = world.start("ann", LIMIT, |_| async {
        sleep(1).await;
        panic!("a defect")
    });
    let answer = world.attend(&run, &context("ann")).await;
    assert!(!answer.is_ok() && !answer.text().contains("a defect"), "{answer:?}");
    assert_eq!(world.runs.running(), 0);
    assert!(world.places.enter("ann").is_ok());
}

#[tokio::test(start_paused = true)]
async fn progress_is_seldom_and_its_numbers_rise() {
    let world = World::new();
    let (sender, mut reports) = mpsc::channel(100);
    let context = CallContext { progress: Some(sender), ..context("ann") };
    let run = world.start("ann", LIMIT, |run| async move {
        for number in 0..200 {
            Notes(run.output.clone()).note(&format!("step {number}"));
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        done("")
    });
    let waiting = tokio::spawn(async move { world.attend(&run, &context).await });
    let mut all = Vec::new();
    let mut last: Option<Instant> = None;
    while let Some(Progress { number, message }) = reports.recv().await {
        assert!(last.is_none_or(|last| last.elapsed() >= progress::PACE), "{message}");
        last = Some(Instant::now());
        assert!(message.starts_with("step "), "{message}");
        all.push(number);
    }
    waiting.await.unwrap();
    assert!((5..=11).contains(&all.len()), "{all:?}");
    assert!(all.is_sorted_by(|one, next| one < next), "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn progress_has_no_prefix_of_the_log() {
    let world = World::new();
    let (sender, mut reports) = mpsc::channel(100);
    let context = CallContext { progress: Some(sender), ..context("ann") };
    let run = world.start("ann", LIMIT, |run| async move {
        let line = "2026-07-02T06:55:57Z: INFO: reads the advisory";
        run.log.observe(async { record(Level::Info, line) }).await;
        sleep(25).await;
        done("")
    });
    let answer = world.attend(&run, &context).await.text();
    assert!(answer.ends_with("So far: reads the advisory"), "{answer}");
    assert_eq!(reports.recv().await.unwrap().message, "reads the advisory");
}

#[tokio::test(start_paused = true)]
async fn secrets_are_in_no_progress() {
    let world = World::new();
    let (sender, mut reports) = mpsc::channel(100);
    let context = CallContext { progress: Some(sender), ..context("ann") };
    let run = world.start("ann", LIMIT, |run| async move {
        Notes(run.output.clone()).note("hidden-planted-token of ann@example.com");
        sleep(25).await;
        done("")
    });
    let redactor = Redactor::new([secrecy::SecretString::from("hidden-planted-token")]);
    let answer = attend(&world.runs, world.tool, &run, &context, &redactor).await;
    let told = reports.recv().await.unwrap().message;
    for text in [answer.text(), told] {
        assert!(!text.contains("planted") && !text.contains("ann@"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_asks_a_person_is_waited_for() {
    let world = World::new();
    let start = Instant::now();
    let run = world.start("ann", LIMIT, |run| async move {
        sleep(5).await;
        let asking = run.asking();
        sleep(60).await;
        drop(asking);
        sleep(5).await;
        done("answered")
    });
    let answer = world.attend(&run, &context("ann")).await;
    // The person's time does not count, and what was begun with their answer is no longer waited for.
    assert!(answer.text().contains(&run.id), "{answer:?}");
    assert!((65..=66).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    assert_eq!(run.end().await.text(), "answered");
}

#[tokio::test(start_paused = true)]
async fn so_many_of_a_caller_run_at_the_same_time() {
    let world = World::new();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let runs: Vec<_> = (0..24)
        .map(|_| {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            world.start("ann", LIMIT, move |_| async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                sleep(1).await;
                now.fetch_sub(1, Ordering::SeqCst);
                done("")
            })
        })
        .collect();
    assert!(world.places.enter("ann").is_err());
    for run in &runs {
        run.end().await;
    }
    assert_eq!((most.load(Ordering::SeqCst), world.runs.running()), (8, 0));
}

/// A call that waits for its place is stopped there, and has done nothing.
#[tokio::test(start_paused = true)]
async fn what_waits_for_a_place_can_be_stopped() {
    let world = World { places: Places::new(1, 4), ..World::new() };
    let _first = world.start("ann", LIMIT, |_| async { std::future::pending::<Answer>().await });
    let is_run = Arc::new(AtomicBool::new(false));
    let waiting = world.start("ann", LIMIT, {
        let is_run = Arc::clone(&is_run);
        move |_| async move {
            is_run.store(true, Ordering::SeqCst);
            done("")
        }
    });
    let context = context("ann");
    context.cancelled.cancel();
    let answer = world.attend(&waiting, &context).await;
    assert!(!answer.is_ok() && answer.text().contains("Nothing was done"), "{answer:?}");
    assert!(!is_run.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn nothing_begins_when_the_server_stops_and_what_runs_records_it() {
    let world = World::new();
    let runs: Vec<_> = (0..3)
        .map(|_| {
            world.start("ann", LIMIT, |run| async move {
                run.interrupt.wait().await;
                sleep(1).await;
                done("recorded")
            })
        })
        .collect();
    tokio::task::yield_now().await;
    world.runs.close("the server is being stopped");
    assert!(world.runs.begin(world.tool.name, "ann", false, RESULT_LIMIT).is_err());
    for run in &runs {
        assert_eq!(run.end().await.text(), "recorded");
        assert_eq!(run.why_stopped().as_deref(), Some("the server is being stopped"));
    }
    assert_eq!(world.runs.running(), 0);
}

#[test]
fn whichever_contains_the_other_wins() {
    assert_eq!(combined("a\nb", "a\nb\nc"), "a\nb\nc");
    assert_eq!(combined("a\nb", "b"), "a\nb");
    assert_eq!(combined("a", "b"), "a\nb");
    assert_eq!((combined("", "b"), combined("a", "")), ("b".to_owned(), "a".to_owned()));
    let log = "2026-07-02T06:55:57Z: INFO: the consent is used\n2026-07-02T06:55:58Z: INFO: alone\n  more";
    assert_eq!(
        combined(log, "the consent is used\ndone"),
        "2026-07-02T06:55:58Z: INFO: alone\n  more\nthe consent is used\ndone"
    );
}

#[test]
fn of_every_operation_at_least_as_much_is_kept_as_an_answer_holds() {
    for row in TABLE {
        assert!(row.about.result_limit >= LONGEST_RESULT, "{}", row.about.command);
    }
}
