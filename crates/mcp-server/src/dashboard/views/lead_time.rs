//! The page of lead times: what `oarctl lead-time` says.

use askama::Template;
use askama::filters::HtmlSafe;
use oar_core::clock::duration_words;
use oar_core::operations::oarctl::lead_time::{Answer, ReleaseLeadTime};
use serde::Serialize;

use super::picture::{Bar, ShareItem};
use crate::dashboard::text::{Shower, Text, Time, Words};

/// The page.
#[derive(Debug, Serialize, Template)]
#[template(path = "lead_time.html")]
pub(in crate::dashboard) struct LeadTimePage {
    since: Option<String>,
    read: Time,
    median: Option<i64>,
    p90: Option<i64>,
    shares: Vec<ShareItem>,
    releases: Vec<Row>,
    unfinished: usize,
    unknown: Vec<Unreadable>,
}

impl HtmlSafe for LeadTimePage {}

#[derive(Debug, Serialize)]
struct Row {
    release: String,
    began: Time,
    approved: Time,
    seconds: i64,
    #[serde(skip)]
    duration: String,
    shares: Vec<ShareItem>,
    not_known: Vec<Words>,
}

impl Row {
    fn bar(&self) -> Bar<'_> {
        Bar::of(&self.shares)
    }
}

#[derive(Debug, Serialize)]
struct Unreadable {
    release: String,
    why: Text,
}

impl LeadTimePage {
    pub(in crate::dashboard) fn new(
        answer: &Answer,
        since: Option<String>,
        read: Time,
        shower: &Shower,
    ) -> Self {
        Self {
            since,
            read,
            median: answer.median,
            p90: answer.p90,
            shares: ShareItem::all(&answer.totals),
            // The newest first.
            releases: answer.releases.iter().rev().map(|release| row(release, shower)).collect(),
            unfinished: answer.unfinished,
            unknown: answer
                .unknown
                .iter()
                .map(|file| Unreadable { release: file.release.to_string(), why: shower.text(&file.why) })
                .collect(),
        }
    }

    fn words(seconds: Option<&i64>) -> String {
        seconds.map_or_else(|| "unknown".to_owned(), |seconds| duration_words(*seconds))
    }

    fn bar(&self) -> Bar<'_> {
        Bar::of(&self.shares)
    }
}

fn row(release: &ReleaseLeadTime, shower: &Shower) -> Row {
    Row {
        release: release.release.to_string(),
        began: shower.time(&release.began),
        approved: shower.time(&release.approved),
        seconds: release.seconds,
        duration: duration_words(release.seconds),
        shares: ShareItem::all(&release.totals),
        not_known: release.not_known.iter().map(|what| shower.words(what)).collect(),
    }
}
