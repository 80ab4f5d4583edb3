//! `oarctl lead-time`: where the time of finished releases went.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::ErrorClass;
use crate::flow::outcome::{Refusal, TaskError};
use crate::operations::call::Call;
use crate::operations::row::{About, Conclusion, Operation, Program};
use crate::statebox::{State, Timeline, Total};
use crate::tasks::statebox_files::StateBoxFiles;
use crate::version::ReleaseVersion;

/// The most StateBox files that are read, the newest releases of all y-streams.
const MOST: usize = 1000;

/// The operation, with its arguments.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LeadTime {
    /// Only releases that were approved on this day or later, such as 2026-06-01 (UTC)
    pub since: Option<String>,
}

/// The lead time of one release: from its StateBox to its approval.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ReleaseLeadTime {
    /// The release.
    pub release: ReleaseVersion,
    /// When its StateBox was made.
    pub began: String,
    /// When it was approved.
    pub approved: String,
    /// The time between, in seconds.
    pub seconds: i64,
    /// The sums by share; together they are the whole.
    pub totals: Vec<Total>,
    /// What its file cannot tell.
    pub not_known: Vec<String>,
}

/// A file that cannot be used.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Unreadable {
    /// The release.
    pub release: ReleaseVersion,
    /// Why.
    pub why: String,
}

/// Where the time of releases went.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Answer {
    /// The releases, by the time of their approval.
    pub releases: Vec<ReleaseLeadTime>,
    /// The median of their lead times, in seconds; null without releases.
    pub median: Option<i64>,
    /// The lead time that one in ten exceeds, in seconds; null without releases.
    pub p90: Option<i64>,
    /// The sums over all releases, by share.
    pub totals: Vec<Total>,
    /// How many releases are not approved, or have no time of their approval.
    pub unfinished: usize,
    /// Files that could not be read, or are damaged.
    pub unknown: Vec<Unreadable>,
}

impl Conclusion for Answer {
    fn class(&self) -> Option<ErrorClass> {
        (!self.unknown.is_empty()).then_some(ErrorClass::Unavailable)
    }
}

impl Operation for LeadTime {
    const ABOUT: About =
        About::look("lead-time", "Show where the time of finished releases went, from StateBox to approval")
            .named(Program::Oarctl);
    type Answer = Answer;

    async fn run(self, call: &Call) -> Result<Answer, TaskError> {
        let since = self.since.as_deref().map(day).transpose()?;
        let texts = StateBoxFiles::new(call.clients().clone()).newest(MOST).await?;
        Ok(answer(texts, since, call.clock().now()))
    }
}

fn day(text: &str) -> Result<Date, Refusal> {
    text.trim().parse().map_err(|_| {
        Refusal::new(ErrorClass::Usage, format!("`{}` is not a day", text.escape_debug()))
            .with_hint("Write it as in 2026-06-01.")
    })
}

fn answer(
    texts: Vec<(ReleaseVersion, Result<String, String>)>,
    since: Option<Date>,
    now: jiff::Timestamp,
) -> Answer {
    let (mut releases, mut unknown, mut unfinished) = (Vec::new(), Vec::new(), 0);
    for (release, text) in texts {
        let state = text.and_then(|text| State::parse(&text).map_err(|_| "it is damaged".to_owned()));
        let timeline = match state {
            Ok(state) => Timeline::of(&state, now),
            Err(why) => {
                unknown.push(Unreadable { release, why });
                continue;
            }
        };
        let Timeline { began: Some(began), approved: Some(approved), seconds, totals, not_known, .. } =
            timeline
        else {
            unfinished += 1;
            continue;
        };
        let day = approved.parse::<jiff::Timestamp>().map(|time| time.to_zoned(TimeZone::UTC).date());
        if since.is_some_and(|since| day.is_ok_and(|day| day < since)) {
            continue;
        }
        releases.push(ReleaseLeadTime { release, began, approved, seconds, totals, not_known });
    }
    releases.sort_by(|one, other| one.approved.cmp(&other.approved));
    // The smallest lead time that so many tenths of the releases do not exceed.
    let mut lengths: Vec<i64> = releases.iter().map(|one| one.seconds).collect();
    lengths.sort_unstable();
    let at = |tenths: usize| lengths.get((lengths.len() * tenths).div_ceil(10).saturating_sub(1)).copied();
    let totals = crate::statebox::Share::ALL.map(|share| {
        let own = releases.iter().flat_map(|one| &one.totals).filter(|total| total.share == share);
        Total { share, seconds: own.map(|total| total.seconds).sum() }
    });
    let (median, p90) = (at(5), at(9));
    Answer { median, p90, totals: totals.to_vec(), releases, unfinished, unknown }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Classified as _;

    fn file(release: &str, from: &str, until: Option<&str>) -> (ReleaseVersion, Result<String, String>) {
        let task = until.map_or_else(
            || "tasks: []\n".to_owned(),
            |until| {
                format!(
                    "tasks:\n- name: change-advisory-status\n  status: Pass\n  started_at: '{until}'\n  completed_at: \
                     '{until}'\n  result: x\n"
                )
            },
        );
        let text = format!(
            "schema_version: '1.0'\nrelease: {release}\ncreated_at: '{from}'\nupdated_at: '{from}'\nmetadata:\n  \
             jira_ticket: ART-1\n  advisory_ids:\n    rpm: 1\n  release_date: 2026-Jul-07\n  candidate_builds: {{}}\n  \
             shipment_mr: https://gitlab.example.com/g/p/-/merge_requests/1\n{task}issues: []\n"
        );
        (release.parse().unwrap(), Ok(text))
    }

    fn all() -> Vec<(ReleaseVersion, Result<String, String>)> {
        vec![
            file("4.19.1", "2026-06-01T00:00:00Z", Some("2026-06-03T00:00:00Z")),
            file("4.19.2", "2026-06-08T00:00:00Z", Some("2026-06-09T00:00:00Z")),
            file("4.19.3", "2026-06-15T00:00:00Z", Some("2026-06-20T00:00:00Z")),
            file("4.19.4", "2026-06-22T00:00:00Z", None),
            ("4.19.5".parse().unwrap(), Ok("tasks: 3\n".to_owned())),
            ("4.19.6".parse().unwrap(), Err("it cannot be read".to_owned())),
        ]
    }

    #[test]
    fn finished_releases_are_summed_and_the_others_counted() {
        let found = answer(all(), None, "2026-08-01T00:00:00Z".parse().unwrap());
        let names: Vec<String> = found.releases.iter().map(|one| one.release.to_string()).collect();
        assert_eq!(names, ["4.19.1", "4.19.2", "4.19.3"]);
        assert_eq!((found.median, found.p90), (Some(2 * 86_400), Some(5 * 86_400)));
        assert_eq!((found.unfinished, found.unknown.len()), (1, 2));
        assert_eq!(found.class(), Some(ErrorClass::Unavailable), "what cannot be read is no answer");
        assert_eq!(found.totals.iter().map(|total| total.seconds).sum::<i64>(), 8 * 86_400);
    }

    #[test]
    fn one_release_in_ten_takes_longer_than_the_ninth() {
        let now = "2026-08-01T00:00:00Z".parse().unwrap();
        let files = (1..=10).map(|days| {
            let end = format!("2026-06-{:02}T00:00:00Z", days + 1);
            file(&format!("4.19.{days}"), "2026-06-01T00:00:00Z", Some(&end))
        });
        let found = answer(files.collect(), None, now);
        assert_eq!((found.median, found.p90), (Some(5 * 86_400), Some(9 * 86_400)));
        let early = file("4.19.1", "2026-06-05T00:00:00Z", Some("2026-06-03T00:00:00Z"));
        let found = answer(vec![early], None, now);
        assert_eq!((found.releases.len(), found.unfinished), (0, 1), "an approval before the file is none");
    }

    #[test]
    fn only_releases_since_a_day_are_counted() {
        let found = answer(all(), Some(day("2026-06-09").unwrap()), "2026-08-01T00:00:00Z".parse().unwrap());
        let names: Vec<String> = found.releases.iter().map(|one| one.release.to_string()).collect();
        assert_eq!(names, ["4.19.2", "4.19.3"]);
        let none = answer(Vec::new(), None, "2026-08-01T00:00:00Z".parse().unwrap());
        assert_eq!((none.median, none.releases.len(), none.class()), (None, 0, None));
        assert_eq!(day("June").unwrap_err().class(), ErrorClass::Usage);
    }
}
