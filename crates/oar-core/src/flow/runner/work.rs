//! The work of a run: plan, claim, apply, tell.

use std::sync::{Mutex, PoisonError};

use futures::future::{join, join_all};

use super::claim::other_run;
use super::messages::OpenMessages;
use super::{ConsentState, End, Mode, Run, Runner, marker, resolve_command};
use crate::flow::consent::Question;
use crate::flow::graph::{Readiness, readiness};
use crate::flow::outcome::{Plan, PlanSummary, Refusal, TaskError, TaskOutcome};
use crate::flow::task::Task;
use crate::notify::Message;
use crate::permit::WritePermit;
use crate::statebox::{Change, Created, KEPT_LIMIT, State, StateBoxError, StateError, TaskStatus};

/// How often a run plans before it gives up, because somebody else was at the task each time.
const PLANS: usize = 5;

impl Runner<'_> {
    pub(super) async fn work<T: Task>(
        &self,
        task: &T,
        mode: &Mode<'_>,
        loaded: Result<Option<State>, StateBoxError>,
        run: &Run,
        remembered: &Mutex<Option<T::Plan>>,
    ) -> Result<End, TaskError> {
        let name = task.name();
        let mut state = loaded.inspect_err(|_| run.progress().unreadable = true)?;
        if let (Some(found), Some(permit)) = (&state, mode.permit())
            && !found.losses().is_empty()
        {
            for loss in found.losses() {
                tracing::warn!("{loss}");
            }
            // Put back at once: a run that ends without a word of its own would leave it to the next one.
            let restored = self
                .statebox
                .update(permit, "Restore what another program wrote over", |_| Ok(Change::Unchanged));
            match restored.await {
                Ok(updated) => state = Some(updated.state),
                Err(error) => tracing::warn!("it could not be put back: {error}"),
            }
        }
        if let (Some(found), Some(permit)) = (state.take_if(|_| mode.permit().is_some()), mode.permit()) {
            let (now, sent) = self.send_kept(found, permit).await;
            run.progress().earlier_notifications = sent;
            state = Some(now);
        }
        for _ in 0..PLANS {
            {
                let mut progress = run.progress();
                progress.status = state.as_ref().and_then(|state| state.task(name)).map(|view| view.status);
                progress.done.clear();
            }
            match self.attempt(task, mode, state.as_ref(), run, remembered).await {
                Err(error) if matches!(error.state_error(), Some(StateError::Moved { .. })) => {
                    tracing::info!("somebody else was at {name} meanwhile: planning again");
                    state = self.statebox.find().await?;
                }
                end => return end,
            }
        }
        Err(StateError::Moved { task: name }.into())
    }

    async fn attempt<T: Task>(
        &self,
        task: &T,
        mode: &Mode<'_>,
        state: Option<&State>,
        run: &Run,
        remembered: &Mutex<Option<T::Plan>>,
    ) -> Result<End, TaskError> {
        let name = task.name();
        if let (Some(state), Some(_)) = (state, mode.permit())
            && let Some(other) = other_run(state, name, self.clock.now())
        {
            return Err(other.held(name).into());
        }
        self.refuse_when_blocked(task, state)?;
        let plan = task.plan(state).await?;
        let is_shown = match mode {
            Mode::DryRun => true,
            Mode::Apply(_) => false,
            Mode::Ask(_, consent) => !consent.is_given(),
        };
        let completes_late = plan.certainly_acts() && !is_shown;
        if !completes_late {
            task.complete(&plan).await?;
        }
        let mut summary = plan.summary();
        say(&summary, &PlanSummary::default());
        run.progress().plan = summary.clone();
        let Some(permit) = mode.permit() else { return Ok(End::Planned) };

        let view = state.and_then(|state| state.task(name));
        let open = OpenMessages::of(view.as_ref().map_or(&[], |view| &view.history));
        let is_pass = view.is_some_and(|view| view.status == TaskStatus::Pass);
        let done_before = if task.is_tracked() { is_pass } else { state.is_some() };
        if summary.steps.is_empty() && done_before && !open.any() {
            return Ok(End::NothingToDo);
        }
        if let Some(outcome) = plan.standing()
            && !open.owes()
        {
            return Ok(End::Stands(outcome));
        }
        if let Some(refusal) = self.ask(task, mode, &summary, run).await {
            return Ok(End::Declined(refusal));
        }
        if task.creates_state() && state.is_none() && plan.acts() {
            if let Created::Before(_) = self.create(task, run, permit).await? {
                tracing::info!("somebody else created {} meanwhile", self.statebox.location());
                return Ok(End::NothingToDo);
            }
            task.complete(&plan).await?;
        } else if plan.acts() {
            let begin = self.begin(task, Some(&plan), state, run, permit);
            if completes_late {
                let (started, completed) = join(begin, task.complete(&plan)).await;
                started?;
                completed?;
            } else {
                begin.await?;
            }
        }
        if completes_late {
            let known = std::mem::replace(&mut summary, plan.summary());
            say(&summary, &known);
            run.progress().plan = summary.clone();
        }
        if task.is_tracked() && !std::mem::replace(&mut run.progress().marked, true) {
            marker(name, TaskStatus::InProgress);
        }
        let outcome = task.apply(&plan, permit).await?;
        run.progress().done.clone_from(&outcome.done);
        let tell = match outcome.status {
            TaskStatus::Pass => !summary.steps.is_empty() || open.any() || !is_pass,
            TaskStatus::InProgress => !outcome.done.is_empty() || open.owes(),
            TaskStatus::Fail | TaskStatus::NotStarted => true,
        };
        let told = async {
            if tell && task.tells(&outcome) {
                self.tell(task, &plan, &outcome, (state, run, &open), permit).await?;
            }
            Ok::<_, TaskError>(())
        };
        let outcome = if run.claimed.is_held() {
            let (told, finished) = join(told, task.finish(&plan, outcome.clone(), permit)).await;
            told?;
            finished?
        } else {
            told.await?;
            outcome
        };
        run.progress().done.clone_from(&outcome.done);
        *remembered.lock().unwrap_or_else(PoisonError::into_inner) = Some(plan);
        Ok(End::Finished(outcome))
    }

    /// Tells people of `outcome`: each channel its messages in their order, all channels at the same time.
    async fn tell<T: Task>(
        &self,
        task: &T,
        plan: &T::Plan,
        outcome: &TaskOutcome,
        (state, run, open): (Option<&State>, &Run, &OpenMessages),
        permit: &WritePermit,
    ) -> Result<(), TaskError> {
        let episode = open.episode.as_ref().map_or(&run.id, |(run, _)| run);
        let messages = task.notifications(plan, outcome).await.into_iter();
        let keyed = messages.map(|message| Message { key: format!("{}/{episode}", message.key), ..message });
        let mut parts: Vec<Message> = keyed.flat_map(Message::parts).collect();
        parts.retain(|part| !open.is_settled(&part.key));
        if !parts.is_empty() && !run.claimed.is_held() {
            // What is said to people is an effect too.
            self.begin(task, None, state, run, permit).await?;
        }
        let mut channels: Vec<Vec<&Message>> = Vec::new();
        for part in &parts {
            let same = |channel: &&mut Vec<&Message>| {
                channel.first().is_some_and(|first| first.channel == part.channel)
            };
            match channels.iter_mut().find(same) {
                Some(channel) => channel.push(part),
                None => channels.push(vec![part]),
            }
        }
        let room = Mutex::new(state.map_or(KEPT_LIMIT, State::room_for_messages));
        let room = &room;
        join_all(channels.into_iter().map(|channel| async move {
            for part in channel {
                let delivery = self.deliver.deliver(part, open.earlier(&part.key), permit).await;
                let mut room = room.lock().unwrap_or_else(PoisonError::into_inner);
                let record = self.record_of(part, &delivery, *room);
                *room = room.saturating_sub(record.text.as_ref().map_or(0, String::len));
                run.progress().notifications.push(record);
            }
        }))
        .await;
        let place = |key: &str| parts.iter().position(|part| part.key == key);
        run.progress().notifications.sort_by_key(|record| place(&record.key));
        Ok(())
    }

    /// Asks for consent to the steps of a plan, unless all of them were consented to before.
    async fn ask<T: Task>(
        &self,
        task: &T,
        mode: &Mode<'_>,
        summary: &PlanSummary,
        run: &Run,
    ) -> Option<Refusal> {
        let Mode::Ask(_, consent) = mode else { return None };
        if summary.steps.iter().all(|step| run.progress().consent.covers(step)) {
            return None;
        }
        run.progress().consent = ConsentState::Asking;
        let question = Question { task: task.name(), release: self.statebox.release(), plan: summary };
        let answer = consent.ask(question).await;
        if answer.is_ok() {
            run.progress().consent = ConsentState::Given(summary.steps.clone());
        }
        answer.err()
    }

    fn refuse_when_blocked<T: Task>(&self, task: &T, state: Option<&State>) -> Result<(), Refusal> {
        if let Some(state) = state
            && task.is_tracked()
            && let Readiness::Blocked { issue } = readiness(state, task.name())
            && !task.keeps_blocker(&issue)
        {
            let release = self.statebox.release().to_string();
            return Err(Refusal::blocked(format!("an open issue blocks it: {issue}"))
                .with_hint(format!("When it is resolved: {}", resolve_command(&release, &issue))));
        }
        Ok(())
    }
}

/// Logs what stands in a plan and not in what was `known` of it.
fn say(plan: &PlanSummary, known: &PlanSummary) {
    for check in plan.checks.iter().filter(|check| !known.checks.contains(check)) {
        tracing::info!("ok: {}", check.text);
    }
    for note in plan.notes.iter().filter(|note| !known.notes.contains(note)) {
        tracing::info!("{note}");
    }
}
