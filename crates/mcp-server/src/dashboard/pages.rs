//! The pages: made from what the board has seen, and kept for a moment, so that a hundred viewers cost as much as one.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use futures::FutureExt as _;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use moka::future::Cache;
use oar_core::clock::stamp;
use oar_core::error::{Classified, ErrorClass};
use oar_core::flow::interrupt::{Interrupt, InterruptSender};
use oar_core::flow::outcome::TaskError;
use oar_core::operations::jobctl::show::Show;
use oar_core::operations::oarctl::lead_time::{self, LeadTime};
use oar_core::operations::{Call, perform};
use oar_core::prow::names::ResultName;
use oar_core::prow::view::BuildView;
use oar_core::service::Service;
use oar_core::statebox::State;
use oar_core::tasks::statebox_files::ReadFile;
use oar_core::tasks::{open_statebox, shared_store};
use oar_core::version::ReleaseVersion;
use serde::Serialize;
use tokio::sync::Mutex;

use super::address::{Form, Page};
use super::answer::{Failure, Frame, Live, Markup, Place, packed};
use super::board::{Board, Wants};
use super::packed::Packed;
use super::seen::{Builds, Known, Problem, Seen, unusable_words};
use super::text::Shower;
use super::views::ProblemItem;
use super::views::builds::{BuildPage, BuildsPage};
use super::views::lead_time::LeadTimePage;
use super::views::overview::Overview;
use super::views::release::{ReleasePage, Sources};

/// How long a page waits for the first look.
const TIME_LIMIT: Duration = Duration::from_secs(1);
/// How long a page is kept, as long as nothing changes.
const KEPT: SignedDuration = SignedDuration::from_secs(20);
/// How much memory the kept pages take, in bytes.
const MEMORY: u64 = 4 * 1024 * 1024;
/// How long what was looked up for one page is kept, and how much of it: also that there is no such thing.
const LOOKED_UP: Duration = Duration::from_secs(20);
const MOST_LOOKED_UP: u64 = 32;
/// How long lead times are kept.
const SUMMED: Duration = Duration::from_mins(1);
/// How long one look-up may take.
const LIMIT: Duration = Duration::from_secs(45);
/// How many things may be looked up in a minute that are not looked at anyway.
const PER_MINUTE: std::num::NonZeroU32 = std::num::NonZeroU32::MIN.saturating_add(119);
/// How often a page without scripts is read anew, in seconds; and while the first look goes on.
const REFRESH: u32 = 60;
const LOADING: u32 = 2;

type LookedUp<T> = Result<Arc<T>, Failure>;
type LeadTimes = LookedUp<(lead_time::Answer, Timestamp)>;

/// The pages. Cheap to clone.
pub(super) struct Pages {
    board: Board,
    kept: Cache<Key, Arc<Kept>>,
    /// Held by whoever makes a page, for whom the others wait.
    turns: Cache<Key, Arc<Mutex<()>>>,
    releases: Cache<ReleaseVersion, LookedUp<Known>>,
    builds: Cache<ResultName, LookedUp<(BuildView, Timestamp)>>,
    /// By the day, and by the version of the last change of a StateBox file.
    lead_times: Cache<(Option<Date>, u64), LeadTimes>,
    rate: DefaultDirectRateLimiter,
}

/// What a kept page depends on, besides what was seen. Who reads it is written into it when it is sent.
type Key = (String, Form);

struct Kept {
    version: u64,
    at: Timestamp,
    packed: Packed,
}

/// A page's main part, or its JSON.
struct Made {
    title: String,
    place: Place,
    text: String,
    /// Whether it is still being read.
    loading: bool,
}

fn looked_up<K, V>(time: Duration) -> Cache<K, V>
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    Cache::builder().max_capacity(MOST_LOOKED_UP).time_to_live(time).build()
}

impl Pages {
    pub(super) fn new(board: Board) -> Self {
        let weight = |_: &Key, kept: &Arc<Kept>| u32::try_from(kept.packed.size()).unwrap_or(u32::MAX);
        Self {
            board,
            kept: Cache::builder().weigher(weight).max_capacity(MEMORY).time_to_live(SUMMED).build(),
            turns: looked_up(SUMMED),
            releases: looked_up(LOOKED_UP),
            builds: looked_up(LOOKED_UP),
            lead_times: looked_up(SUMMED),
            rate: RateLimiter::direct(Quota::per_minute(PER_MINUTE)),
        }
    }

    fn shower(&self) -> Shower {
        let clients = self.board.content().documents().clients();
        Shower::new(clients.http().redactor().clone(), self.board.clock().now())
    }

    /// The page, with a place for the name of its reader.
    pub(super) async fn page(&self, page: &Page, form: Form) -> Result<Packed, Failure> {
        let wants = match page {
            Page::Builds | Page::Build(_) => Wants::Builds,
            _ => Wants::Releases,
        };
        let seen = self.board.fresh(wants, TIME_LIMIT).await;
        let key = (page.address(form), form);
        if let Some(packed) = self.at_hand(&key, &seen).await {
            return Ok(packed);
        }
        let turn = self.turns.get_with(key.clone(), std::future::ready(Arc::default())).await;
        // Whoever waits in vain makes the page as well.
        let _turn = tokio::time::timeout(LIMIT, turn.lock()).await;
        if let Some(packed) = self.at_hand(&key, &seen).await {
            return Ok(packed);
        }
        let now = self.board.clock().now();
        // Boxed, because the future of all clients is too large for a caller's stack.
        let made = Box::pin(self.make(page, form, &seen)).await?;
        if form == Form::Json {
            if made.loading {
                let what = "what the page shows is being read";
                return Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, "Reading", what).retry(LOADING));
            }
            let packed = packed(form, made.text);
            self.keep(key, &seen, now, &packed).await;
            return Ok(packed);
        }
        let live = Live {
            version: seen.version,
            events: if wants == Wants::Builds { "/events?of=builds" } else { "/events" },
            path: page.path(),
        };
        let frame = Frame {
            title: &made.title,
            place: made.place,
            main: Markup(made.text),
            viewer: Markup::place(),
            live: Some(live),
            json: Some(page.address(Form::Json)),
            refresh: Some(if made.loading { LOADING } else { REFRESH }),
        };
        let packed = packed(form, frame.html());
        if !made.loading {
            self.keep(key, &seen, now, &packed).await;
        }
        Ok(packed)
    }

    /// The kept page, made from this or from what was seen since.
    async fn at_hand(&self, key: &Key, seen: &Seen) -> Option<Packed> {
        let kept = self.kept.get(key).await?;
        let is_fresh = self.board.clock().now().duration_since(kept.at) < KEPT;
        (kept.version >= seen.version && is_fresh).then(|| kept.packed.clone())
    }

    async fn keep(&self, key: Key, seen: &Seen, at: Timestamp, packed: &Packed) {
        let kept = Kept { version: seen.version, at, packed: packed.clone() };
        self.kept.insert(key, Arc::new(kept)).await;
    }

    async fn make(&self, page: &Page, form: Form, seen: &Seen) -> Result<Made, Failure> {
        let shower = self.shower();
        match page {
            Page::Overview(filter) => {
                if seen.looked.is_none() {
                    return nothing_yet(seen.problem.as_ref(), "the StateBox files", &shower);
                }
                let problem = seen.problem.as_ref();
                let problem = problem.map(|problem| item("the StateBox files", problem, &shower));
                let source = self.source();
                let overview = Overview::new(seen, &source, filter, problem, &shower);
                made("Releases".to_owned(), Place::Overview, &overview, form)
            }
            Page::Release(release) => self.release(release, form, seen, &shower).await,
            Page::Builds => {
                let builds = &seen.builds;
                if builds.looked.is_none() {
                    return nothing_yet(builds.problem.as_ref(), "the records of builds", &shower);
                }
                let problem = builds.problem.as_ref();
                let problem = problem.map(|problem| item("the records of builds", problem, &shower));
                let page = BuildsPage::new(builds, problem, &shower);
                made("Builds under test".to_owned(), Place::Builds, &page, form)
            }
            Page::Build(name) => self.build(name, form, &seen.builds, &shower).await,
            Page::LeadTime(since) => {
                let answer = self.lead_times.get_with((*since, seen.states), self.sum(*since)).await?;
                let (answer, at) = &*answer;
                let since = since.map(|since| since.to_string());
                let page = LeadTimePage::new(answer, since, shower.moment(*at), &shower);
                made("Lead time".to_owned(), Place::LeadTime, &page, form)
            }
        }
    }

    /// Where the StateBox files are, for people.
    fn source(&self) -> String {
        let state = self.board.content().documents().clients().settings().state();
        match &state.location {
            oar_core::config::StateLocation::Local(folder) => folder.display().to_string(),
            oar_core::config::StateLocation::Github => {
                format!("{}, branch {}", state.repository, state.branch)
            }
        }
    }

    /// The page of a record.
    fn record(&self, name: &ResultName) -> String {
        let clients = self.board.content().documents().clients();
        let web = clients.settings().endpoints().base(Service::GithubWeb);
        clients.records().map(|records| records.page(web, &name.to_string())).unwrap_or_default()
    }

    /// One of the builds that are looked at anyway, or another one.
    async fn build(
        &self,
        name: &ResultName,
        form: Form,
        builds: &Builds,
        shower: &Shower,
    ) -> Result<Made, Failure> {
        let looked_up;
        let (view, at, problems) = if let Some(known) = builds.build(name) {
            let view = known.view.as_ref().map_err(|why| {
                unusable(&format!("The record of {} {}", name.build, unusable_words(why)), shower)
            })?;
            let problems =
                [("the records of builds", &builds.problem), ("the record of this build", &known.problem)];
            (view.as_ref(), known.at, items(problems, shower))
        } else {
            looked_up = self.builds.get_with(name.clone(), self.look_up(name)).await?;
            (&looked_up.0, looked_up.1, Vec::new())
        };
        let page = BuildPage::new(view, &self.record(name), shower.moment(at), problems, shower);
        made(format!("Build {}", name.build), Place::Build, &page, form)
    }

    async fn release(
        &self,
        release: &ReleaseVersion,
        form: Form,
        seen: &Seen,
        shower: &Shower,
    ) -> Result<Made, Failure> {
        let (known, active) = match seen.releases.get(release) {
            Some(known) => (Arc::clone(known), true),
            // Until the active releases are known, it may be one of them.
            None if seen.looked.is_none() => {
                return nothing_yet(seen.problem.as_ref(), "the StateBox files", shower);
            }
            None => (self.releases.get_with(release.clone(), self.read(release)).await?, false),
        };
        let state = known.state().map_err(|why| {
            unusable(&format!("The StateBox of {release} cannot be used: {why}"), shower)
                .next("`oarctl statebox validate FILE` names each problem of a StateBox file.")
        })?;
        let location = self.board.location(release);
        let problems = [
            ("the StateBox files", &seen.problem),
            ("the StateBox of this release", &known.problem),
            ("the services", &known.plan.problem),
        ];
        let problems = items(problems, shower);
        let clients = self.board.content().documents().clients();
        let sources = Sources {
            release,
            known: &known,
            state,
            location,
            active,
            held: &seen.held,
            problems,
            endpoints: clients.settings().endpoints(),
        };
        let page = ReleasePage::new(sources, shower);
        made(release.to_string(), Place::Release, &page, form)
    }

    /// Refuses when too many different things were looked up.
    fn check_rate(&self) -> Result<(), Failure> {
        self.rate.check().map_err(|_| {
            let what = "Too many different pages were asked for in the last minute.";
            Failure::new(StatusCode::TOO_MANY_REQUESTS, "Too many pages", what).retry(30)
        })
    }

    /// Reads the state of a release that is not active.
    async fn read(&self, release: &ReleaseVersion) -> LookedUp<Known> {
        self.check_rate()?;
        let clients = self.board.content().documents().clients();
        let shower = self.shower();
        let absent = || {
            let what = format!("There is no StateBox of {release}.");
            Failure::new(StatusCode::NOT_FOUND, "No such release", what)
                .next("The overview lists the active releases.")
        };
        if clients.settings().versions().check(release).is_err() {
            return Err(absent());
        }
        let statebox = open_statebox(clients, release).map_err(|error| broken(&error, &shower))?;
        let store = shared_store(clients).map_err(|error| broken(&error, &shower))?;
        let read = tokio::time::timeout(LIMIT, store.read(statebox.path())).await;
        let stored = read.map_err(|_| too_slow())?.map_err(|error| broken(&error, &shower))?;
        let stored = stored.ok_or_else(absent)?;
        let state = State::parse(&stored.text).map_err(|diagnostics| {
            let found = diagnostics.lines(&statebox.location()).take(3).collect::<Vec<_>>().join("; ");
            unusable(&format!("The StateBox of {release} cannot be used: {found}"), &shower)
        })?;
        let (read, now) = (Ok(ReadFile { state, stored }), self.board.clock().now());
        Ok(Arc::new(Known::after(None, release, read, &statebox.location(), (None, now))))
    }

    /// A call that may only read, and what must be kept until its end.
    fn call(&self) -> (InterruptSender, Call) {
        let (stop, interrupt) = Interrupt::channel();
        (stop, Call::new(self.board.content().documents().clients().clone(), interrupt))
    }

    async fn limited<T>(
        &self,
        work: impl Future<Output = Result<T, TaskError>> + Send,
    ) -> LookedUp<(T, Timestamp)> {
        self.check_rate()?;
        let done = tokio::time::timeout(LIMIT, work.boxed()).await.map_err(|_| too_slow())?;
        let done = done.map_err(|error| broken(error.inner(), &self.shower()))?;
        Ok(Arc::new((done, self.board.clock().now())))
    }

    /// What `jobctl show` says of a build.
    async fn look_up(&self, name: &ResultName) -> LookedUp<(BuildView, Timestamp)> {
        let (_stop, call) = self.call();
        let show =
            Show { build: Some(name.build.clone()), arch: name.arch, record: None, registry: Vec::new() };
        self.limited(perform(show, &call)).await
    }

    /// What `oarctl lead-time` says.
    async fn sum(&self, since: Option<Date>) -> LookedUp<(lead_time::Answer, Timestamp)> {
        let (_stop, call) = self.call();
        let sum = LeadTime { since: since.map(|since| since.to_string()) };
        self.limited(perform(sum, &call)).await
    }
}

fn made<T: Template + Serialize>(title: String, place: Place, page: &T, form: Form) -> Result<Made, Failure> {
    let text = match form {
        Form::Html => page.render().map_err(|error| error.to_string()),
        Form::Json => serde_json::to_string(page).map_err(|error| error.to_string()),
    };
    let text = text.map_err(|error| {
        tracing::error!("the page {title} cannot be written: {error}");
        let what = "This page cannot be written; the log of the server says why.";
        Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "Error", what)
    })?;
    Ok(Made { title, place, text, loading: false })
}

#[derive(Debug, Template)]
#[template(path = "loading.html")]
struct Loading {
    what: &'static str,
}

/// What is shown before anything was seen.
fn nothing_yet(problem: Option<&Problem>, what: &'static str, shower: &Shower) -> Result<Made, Failure> {
    let Some(problem) = problem else {
        let text = Loading { what }.render().unwrap_or_else(|_| what.to_owned());
        return Ok(Made { title: "Reading".to_owned(), place: Place::Elsewhere, text, loading: true });
    };
    let words = format!("Since {} {what} cannot be read: {}", stamp(problem.since), problem.why);
    let failure = Failure::new(StatusCode::BAD_GATEWAY, "Cannot be read", shower.words(&words).raw());
    let failure = failure.retry(REFRESH);
    Err(match &problem.next {
        Some(next) => failure.next(shower.words(next).raw()),
        None => failure,
    })
}

fn item(what: &'static str, problem: &Problem, shower: &Shower) -> ProblemItem {
    ProblemItem {
        what,
        why: shower.text(&problem.why),
        next: problem.next.as_deref().map(|next| shower.text(next)),
        since: shower.moment(problem.since),
    }
}

/// Those of these that are there.
fn items<'a>(
    problems: impl IntoIterator<Item = (&'static str, &'a Option<Problem>)>,
    shower: &Shower,
) -> Vec<ProblemItem> {
    let there = problems.into_iter().filter_map(|(what, problem)| Some((what, problem.as_ref()?)));
    there.map(|(what, problem)| item(what, problem, shower)).collect()
}

fn too_slow() -> Failure {
    let what = format!("There was no answer within {} s.", LIMIT.as_secs());
    Failure::new(StatusCode::GATEWAY_TIMEOUT, "No answer in time", what).retry(REFRESH)
}

/// A file that cannot be shown: `what` says which, and why.
fn unusable(what: &str, shower: &Shower) -> Failure {
    Failure::new(StatusCode::BAD_GATEWAY, "Not readable", shower.words(what).raw()).retry(REFRESH)
}

/// Something that is not there, or a service or a file that cannot be used.
pub(super) fn broken(error: &(impl Classified + ?Sized), shower: &Shower) -> Failure {
    let (status, title) = match error.class() {
        ErrorClass::Usage => (StatusCode::NOT_FOUND, "Not found"),
        ErrorClass::Configuration => (StatusCode::BAD_GATEWAY, "Not set up"),
        _ => (StatusCode::BAD_GATEWAY, "Cannot be read"),
    };
    let failure = Failure::new(status, title, shower.words(&error.to_string()).raw());
    let failure = if status == StatusCode::BAD_GATEWAY { failure.retry(REFRESH) } else { failure };
    match error.hint() {
        Some(hint) => failure.next(shower.words(&hint).raw()),
        None => failure,
    }
}

#[derive(Debug, Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    next: &'a str,
    why: Option<&'static str>,
}

/// The form of the login.
pub(super) fn login(next: &str, why: Option<&'static str>, status: StatusCode) -> Response {
    let main = LoginPage { next, why }.render().unwrap_or_default();
    let frame = Frame {
        title: "Log in",
        place: Place::Elsewhere,
        main: Markup(main),
        viewer: Markup::default(),
        live: None,
        json: None,
        refresh: None,
    };
    let mut response = packed(Form::Html, frame.html()).response(&axum::http::HeaderMap::new(), "no-store");
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::content::Content;
    use crate::documents::tests::{World, new_state};

    #[tokio::test]
    async fn a_page_is_made_once_for_all_who_ask_for_it_at_the_same_time() {
        let world = World::new();
        world.write("4.19.1", &new_state("4.19.1"));
        let content = Content::new(world.documents.clone(), Duration::from_hours(1));
        let board = Board::new(content, CancellationToken::new());
        board.fresh(Wants::Releases, Duration::from_secs(30)).await;
        let pages = Pages::new(board);
        let page = Page::LeadTime(None);
        let asked = futures::future::join_all((0..5).map(|_| pages.page(&page, Form::Html))).await;
        let made: Vec<Packed> = asked.into_iter().map(|page| page.ok().unwrap()).collect();
        assert!(made.iter().all(|page| page.is(&made[0])));
    }
}
