//! Offset pagination with all its headers (spec 03 §2.3).

use axum::{
    Json,
    http::{HeaderName, HeaderValue, Uri, header},
    response::{IntoResponse, Response},
};
use serde_json::Value;
use url::form_urlencoded;

use super::refusal::Refusal;

/// GitLab does not count more rows than this.
const COUNTED: usize = 10_000;

/// The parameters of a query.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the part behind the question mark.
    pub(super) fn read(query: Option<&str>) -> Self {
        Self(form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect())
    }

    /// The last value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// All values of `name[]`.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str()).collect()
    }

    fn positive(&self, name: &str, otherwise: usize) -> Result<usize, Refusal> {
        let Some(text) = self.get(name) else { return Ok(otherwise) };
        let number = text.parse().ok().filter(|number| *number > 0);
        number.ok_or_else(|| Refusal::Parameter(format!("{name} does not have a valid value")))
    }

    /// The same query for another page.
    fn with_page(&self, page: usize, per_page: usize) -> String {
        let mut text = form_urlencoded::Serializer::new(String::new());
        for (name, value) in self.0.iter().filter(|(name, _)| name != "page" && name != "per_page") {
            text.append_pair(name, value);
        }
        text.append_pair("page", &page.to_string()).append_pair("per_page", &per_page.to_string());
        text.finish()
    }
}

/// One page of `items`. `uri` is what was asked, `base` the sandbox's own address.
pub(super) fn answer(base: &str, uri: &Uri, items: &[Value]) -> Result<Response, Refusal> {
    let query = Query::read(uri.query());
    let page = query.positive("page", 1)?;
    let per_page = query.positive("per_page", 20)?.min(100);
    let pages = items.len().div_ceil(per_page).max(1);
    let rows: Vec<&Value> = items.iter().skip((page - 1).saturating_mul(per_page)).take(per_page).collect();
    let mut response = Json(rows).into_response();

    let mut links = Vec::new();
    let mut link = |relation: &str, page: usize| {
        let target = query.with_page(page, per_page);
        links.push(format!("<{base}{}?{target}>; rel=\"{relation}\"", uri.path()));
    };
    let next = (page < pages).then(|| page + 1);
    let previous = (page > 1).then(|| page - 1);
    if let Some(previous) = previous {
        link("prev", previous);
    }
    if let Some(next) = next {
        link("next", next);
    }
    link("first", 1);
    let counted = items.len() <= COUNTED;
    if counted {
        link("last", pages);
    }
    let text = |number: Option<usize>| number.map(|number| number.to_string()).unwrap_or_default();
    let mut headers = vec![
        (header::LINK, links.join(", ")),
        (HeaderName::from_static("x-page"), page.to_string()),
        (HeaderName::from_static("x-per-page"), per_page.to_string()),
        (HeaderName::from_static("x-next-page"), text(next)),
        (HeaderName::from_static("x-prev-page"), text(previous)),
    ];
    if counted {
        headers.push((HeaderName::from_static("x-total"), items.len().to_string()));
        headers.push((HeaderName::from_static("x-total-pages"), pages.to_string()));
    }
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}
