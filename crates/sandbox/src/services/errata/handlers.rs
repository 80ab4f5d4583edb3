//! The Errata Tool's routes.

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{Path, RawQuery, State as AxumState},
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{
    asked::Asked,
    front::Caller,
    model::{Advisory, AdvisoryType},
    push::{self, Targets},
    refusal::Refusal,
    state::State,
    transitions, update, views,
};
use crate::world::Shared;

pub(super) type Answer = Result<Response, Refusal>;

pub(super) fn number(id: &str) -> Result<u32, Refusal> {
    id.parse().map_err(|_| Refusal::NotFound(format!("Errata with id {id}")))
}

pub(super) fn find<'a>(state: &'a State, id: &str) -> Result<&'a Advisory, Refusal> {
    state.advisory(number(id)?).ok_or_else(|| Refusal::NotFound(format!("Errata with id {id}")))
}

pub(super) fn numbered(state: &mut State, id: u32) -> Result<&mut Advisory, Refusal> {
    state.advisory_mut(id).ok_or_else(|| Refusal::NotFound(format!("Errata with id {id}")))
}

fn show(world: &Shared, id: &str, view: impl Fn(&Advisory) -> Value) -> Answer {
    Ok(Json(view(find(&world.errata.lock(), id)?)).into_response())
}

fn second(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// E-1 with `.json`, a page without.
pub(super) async fn legacy_advisory(AxumState(world): AxumState<Shared>, Path(file): Path<String>) -> Answer {
    if let Some(id) = file.strip_suffix(".json") {
        return show(&world, id, views::legacy);
    }
    let state = world.errata.lock();
    let name = find(&state, &file)?.full_name();
    Ok(Html(format!("<html><head><title>{name}</title></head><body><h1>{name}</h1></body></html>\n"))
        .into_response())
}

pub(super) async fn erratum(
    AxumState(world): AxumState<Shared>,
    Extension(Caller(caller)): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer {
    show(&world, id.strip_suffix(".json").unwrap_or(&id), |advisory| views::erratum(advisory, &caller))
}

pub(super) async fn tps_jobs(AxumState(world): AxumState<Shared>, Path(id): Path<String>) -> Answer {
    show(&world, &id, views::tps_jobs)
}

pub(super) async fn legacy_builds(AxumState(world): AxumState<Shared>, Path(id): Path<String>) -> Answer {
    show(&world, &id, views::legacy_builds)
}

pub(super) async fn builds(AxumState(world): AxumState<Shared>, Path(id): Path<String>) -> Answer {
    show(&world, &id, views::builds)
}

pub(super) async fn build(AxumState(world): AxumState<Shared>, Path(nvr): Path<String>) -> Answer {
    let state = world.errata.lock();
    let holders: Vec<&Advisory> = state
        .advisories
        .values()
        .filter(|advisory| advisory.builds.iter().any(|build| build.nvr == nvr))
        .collect();
    let found = holders.iter().flat_map(|advisory| &advisory.builds).find(|build| build.nvr == nvr);
    let build = found.ok_or_else(|| Refusal::NotFound(format!("Brew build {nvr}")))?;
    Ok(Json(views::build(build, &holders)).into_response())
}

pub(super) async fn update(asked: Asked) -> Answer {
    let id = asked.id()?;
    update::update(&mut asked.world.errata.lock(), id, &asked.caller, &asked.params.advisory())?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) async fn change_state(asked: Asked) -> Answer {
    let now = second(asked.world.clock.now());
    asked.change(|state, id| {
        let missing = || Refusal::NotFound(format!("User {}", asked.caller));
        let user = state.user(&asked.caller).cloned().ok_or_else(missing)?;
        let advisory = numbered(state, id)?;
        transitions::change_state(advisory, &user, asked.params.get("new_state"), &now)?;
        if let Some(comment) = asked.params.get("comment") {
            advisory.comments.push((asked.caller.clone(), comment.to_owned()));
        }
        Ok(())
    })
}

pub(super) async fn add_comment(asked: Asked) -> Answer {
    asked.change(|state, id| {
        let comment = asked.needed("comment")?;
        numbered(state, id)?.comments.push((asked.caller.clone(), comment.to_owned()));
        Ok(())
    })
}

/// E-8.
pub(super) async fn pushes(AxumState(world): AxumState<Shared>, Path(id): Path<String>) -> Answer {
    let base = world.url("/errata");
    show(&world, &id, |advisory| {
        advisory.push_jobs.iter().map(|job| views::push_job(advisory.id, job, &base)).collect()
    })
}

/// E-9.
pub(super) async fn push(
    AxumState(world): AxumState<Shared>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Answer {
    let id = number(&id)?;
    let query = query.unwrap_or_default();
    let defaults = form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "defaults")
        .map(|(_, value)| value.into_owned());
    let targets = Targets::read(defaults.as_deref(), &body)?;
    let jobs = push::push(&mut world.errata.lock(), id, &targets, world.clock.now())?;
    let base = world.url("/errata");
    let status = if jobs.is_empty() { StatusCode::OK } else { StatusCode::CREATED };
    let jobs: Vec<Value> = jobs.iter().map(|job| views::push_job(id, job, &base)).collect();
    Ok((status, Json(jobs)).into_response())
}

/// E-10.
pub(super) async fn external_tests(AxumState(world): AxumState<Shared>, RawQuery(query): RawQuery) -> Answer {
    let query = query.unwrap_or_default();
    let query: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let value = |name: &str| query.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
    let count = |name: &str, otherwise: usize| value(name).map_or(Some(otherwise), |text| text.parse().ok());
    let invalid = || Refusal::MissingParameter("page".to_owned());
    let page = count("page[number]", 1).filter(|page| *page > 0).ok_or_else(invalid)?;
    let size = count("page[size]", 100).filter(|size| *size > 0).ok_or_else(invalid)?.min(1000);
    let known = [
        "active",
        "errata_id",
        "id",
        "test_type",
        "status",
        "brew_build_id",
        "external_id",
        "external_status",
    ];
    let unknown = query.iter().find_map(|(name, _)| {
        let filter = name.strip_prefix("filter[")?.strip_suffix(']')?;
        (!known.contains(&filter)).then(|| filter.to_owned())
    });
    if let Some(filter) = unknown {
        return Err(Refusal::Unknown(format!("Unknown filter: {filter}")));
    }
    let state = world.errata.lock();
    let fits = |name: &str, actual: &str| value(name).is_none_or(|wanted| wanted == actual);
    let data: Vec<Value> = state
        .advisories
        .values()
        .flat_map(|advisory| advisory.external_tests.iter().map(move |test| (advisory, test)))
        .filter(|(advisory, test)| {
            fits("filter[errata_id]", &advisory.id.to_string())
                && fits("filter[id]", &test.id.to_string())
                && fits("filter[active]", if test.active { "true" } else { "false" })
                && fits("filter[test_type]", &test.test_type)
                && fits("filter[status]", &test.status)
        })
        .skip((page - 1).saturating_mul(size))
        .take(size)
        .map(|(advisory, test)| views::external_test(advisory, test))
        .collect();
    Ok(Json(json!({"data": data})).into_response())
}

fn rhsa<'a>(state: &'a State, id: &str) -> Result<&'a Advisory, Refusal> {
    let advisory = find(state, id)?;
    if advisory.kind == AdvisoryType::Rhsa {
        Ok(advisory)
    } else {
        Err(Refusal::base(format!("{} is not an RHSA", advisory.full_name())))
    }
}

/// E-12.
pub(super) async fn security_alerts(AxumState(world): AxumState<Shared>, Path(id): Path<String>) -> Answer {
    Ok(Json(views::security_alerts(rhsa(&world.errata.lock(), &id)?)).into_response())
}

/// E-11.
pub(super) async fn refresh_security_alerts(
    AxumState(world): AxumState<Shared>,
    Path(id): Path<String>,
) -> Answer {
    let mut state = world.errata.lock();
    rhsa(&state, &id)?;
    let advisory = numbered(&mut state, number(&id)?)?;
    if let Some(block) = advisory.alerts_block_at_refresh.take() {
        advisory.security_alerts_block = block;
    }
    Ok(Json(views::security_alerts(advisory)).into_response())
}

/// E-16.
pub(super) async fn container_page(AxumState(world): AxumState<Shared>, Path(id): Path<String>) -> Answer {
    let state = world.errata.lock();
    let advisory = find(&state, &id)?;
    let Some(grade) = advisory.grade else {
        return Ok(Redirect::to(&format!("/errata/advisory/{}", advisory.id)).into_response());
    };
    Ok(Html(format!("<html><body><h2>Docker Container Content - {grade}</h2></body></html>\n"))
        .into_response())
}
