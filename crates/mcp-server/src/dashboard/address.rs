//! The addresses of the pages: stable, and in one spelling.

use jiff::civil::Date;
use oar_core::prow::names::{BuildName, ResultName};
use oar_core::version::{Arch, ReleaseVersion};

use super::views::overview::Filter;

/// What an address names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Page {
    Overview(Filter),
    Release(ReleaseVersion),
    Builds,
    Build(ResultName),
    LeadTime(Option<Date>),
}

/// How it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Form {
    Html,
    Json,
}

/// Why an address names nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoPage {
    /// There is no such page.
    Absent,
    /// The page exists, and cannot be asked for like this.
    Wrong(String),
}

impl Page {
    /// Parses the path and the query of a request. Nothing of them becomes a path of something else.
    pub(super) fn parse(path: &str, query: &str) -> Result<(Self, Form), NoPage> {
        let (path, form) = match path.strip_suffix(".json") {
            Some(path) => (path, Form::Json),
            None => (path, Form::Html),
        };
        let page = match path.trim_start_matches('/').split_once('/') {
            _ if path == "/" && form == Form::Html => Self::Overview(filter(query)?),
            _ if path == "/releases" => Self::Overview(filter(query)?),
            _ if path == "/builds" => {
                no_query(query)?;
                Self::Builds
            }
            _ if path == "/lead-time" => Self::LeadTime(since(query)?),
            Some(("releases", name)) => {
                no_query(query)?;
                let release: ReleaseVersion = name.parse().map_err(|_| NoPage::Absent)?;
                // Only one spelling, so that two addresses never name the same page.
                if release.to_string() != name {
                    return Err(NoPage::Absent);
                }
                Self::Release(release)
            }
            Some(("builds", name)) => {
                let build: BuildName = name.parse().map_err(|_| NoPage::Absent)?;
                Self::Build(ResultName { build, arch: arch(query)? })
            }
            _ => return Err(NoPage::Absent),
        };
        Ok((page, form))
    }

    /// The path without the query: what events name.
    pub(super) fn path(&self) -> String {
        match self {
            Self::Overview(_) => "/".to_owned(),
            Self::Release(release) => format!("/releases/{release}"),
            Self::Builds => "/builds".to_owned(),
            Self::Build(name) => format!("/builds/{}", name.build),
            Self::LeadTime(_) => "/lead-time".to_owned(),
        }
    }

    /// The query, in one spelling.
    pub(super) fn query(&self) -> String {
        match self {
            Self::Overview(filter) => filter.query(),
            Self::Release(_) | Self::Builds | Self::LeadTime(None) => String::new(),
            Self::Build(name) if name.arch == Arch::Amd64 => String::new(),
            Self::Build(name) => format!("arch={}", name.arch.text()),
            Self::LeadTime(Some(since)) => format!("since={since}"),
        }
    }

    /// The whole address in this form.
    pub(super) fn address(&self, form: Form) -> String {
        let path = match (self, form) {
            (Self::Overview(_), Form::Json) => "/releases.json".to_owned(),
            (_, Form::Json) => format!("{}.json", self.path()),
            (_, Form::Html) => self.path(),
        };
        match self.query() {
            query if query.is_empty() => path,
            query => format!("{path}?{query}"),
        }
    }
}

fn filter(query: &str) -> Result<Filter, NoPage> {
    Filter::parse(query).map_err(NoPage::Wrong)
}

fn no_query(query: &str) -> Result<(), NoPage> {
    if query.is_empty() { Ok(()) } else { Err(NoPage::Wrong("this page has no parameters".to_owned())) }
}

/// The values of the only parameter that a page has; an empty one is none.
fn only(query: &str, name: &str) -> Result<Option<String>, NoPage> {
    let mut found = None;
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if key != name {
            return Err(NoPage::Wrong(format!("this page has the parameter `{name}` alone")));
        }
        found = Some(value.into_owned()).filter(|value| !value.is_empty());
    }
    Ok(found)
}

fn arch(query: &str) -> Result<Arch, NoPage> {
    let Some(arch) = only(query, "arch")? else { return Ok(Arch::Amd64) };
    arch.parse().map_err(|_| {
        let known = Arch::ALL.map(Arch::text).join(", ");
        NoPage::Wrong(format!("`arch` is one of {known}"))
    })
}

fn since(query: &str) -> Result<Option<Date>, NoPage> {
    let Some(day) = only(query, "since")? else { return Ok(None) };
    let wrong = |_| NoPage::Wrong("`since` is a day, such as 2026-06-01".to_owned());
    day.parse().map(Some).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_its_page_s() {
        for address in [
            "/",
            "/?y=4.19&state=blocked",
            "/releases.json",
            "/releases.json?state=overdue",
            "/releases/4.19.1",
            "/releases/4.22.0-rc.0.json",
            "/builds",
            "/builds.json",
            "/builds/4.19.1",
            "/builds/4.20.0-0.nightly-2026-07-01-161907?arch=arm64",
            "/builds/4.19.1.json",
            "/lead-time",
            "/lead-time?since=2026-06-01",
            "/lead-time.json",
        ] {
            let (path, query) = address.split_once('?').unwrap_or((address, ""));
            let (page, form) = Page::parse(path, query).unwrap();
            assert_eq!(page.address(form), address);
        }
    }

    #[test]
    fn everything_else_is_no_page_or_a_mistake() {
        for path in [
            "",
            "/.json",
            "/releases/",
            "/releases/4.19",
            "/releases/04.19.1",
            "/releases/4.19.1/",
            "/releases/../etc/passwd",
            "/releases/4.19.1%2f",
            "/builds/x",
            "/builds/4.19.1/jobs",
            "/lead-time/",
            "/x",
            "//releases/4.19.1/x",
        ] {
            assert_eq!(Page::parse(path, ""), Err(NoPage::Absent), "{path}");
        }
        for (path, query) in [
            ("/", "a=b"),
            ("/", "state=red"),
            ("/releases/4.19.1", "y=4.19"),
            ("/builds", "x"),
            ("/builds/4.19.1", "arch=vax"),
            ("/lead-time", "since=June"),
        ] {
            assert!(matches!(Page::parse(path, query), Err(NoPage::Wrong(_))), "{path}?{query}");
        }
    }
}
