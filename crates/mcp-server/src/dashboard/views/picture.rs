//! Pictures of where time went: bars in SVG, whose colours the style sheet gives.

use askama::Template;
use askama::filters::HtmlSafe;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use oar_core::clock::duration_words;
use oar_core::statebox::{Share, Timeline, Total};
use serde::Serialize;

use crate::dashboard::text::{Shower, Time, Words};

/// The width of a picture, in its own units.
const WIDTH: i64 = 1000;
/// The height of a line.
const LINE: usize = 22;
/// The most lines: tasks and issues.
const LINES: usize = 40;
/// The most pieces of the whole and of one line.
const PIECES: usize = 400;
/// The narrowest bar that can be seen.
const NARROWEST: i64 = 2;
/// The longest pieces that are listed in words.
const LISTED: usize = 10;

fn class_of(share: Share) -> &'static str {
    match share {
        Share::Tools => "tools",
        Share::Person => "person",
        Share::Systems => "systems",
        Share::Nobody => "nobody",
    }
}

/// The part of a share.
#[derive(Debug, Serialize)]
pub(in crate::dashboard) struct ShareItem {
    share: Share,
    seconds: i64,
    #[serde(skip)]
    pub(super) class: &'static str,
    #[serde(skip)]
    pub(super) words: &'static str,
    #[serde(skip)]
    pub(super) duration: String,
    #[serde(skip)]
    pub(super) percent: i64,
    #[serde(skip)]
    x: i64,
    #[serde(skip)]
    width: i64,
}

impl ShareItem {
    /// All shares, as parts of a bar that is [`WIDTH`] long.
    pub(super) fn all(totals: &[Total]) -> Vec<Self> {
        let whole: i64 = totals.iter().map(|total| total.seconds).sum();
        let mut before = 0;
        let item = |total: &Total| {
            let x = before * WIDTH / whole.max(1);
            before += total.seconds;
            Self {
                share: total.share,
                seconds: total.seconds,
                class: class_of(total.share),
                words: total.share.text(),
                duration: duration_words(total.seconds),
                percent: (total.seconds * 100 + whole / 2) / whole.max(1),
                x,
                width: before * WIDTH / whole.max(1) - x,
            }
        };
        totals.iter().map(item).collect()
    }
}

/// A bar with the shares of one release, or of many.
#[derive(Debug, Template)]
#[template(
    ext = "html",
    source = "<svg class=\"bar\" viewBox=\"0 0 1000 16\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{{ \
              self.words() }}\">{% for share in shares %}{% if share.width > 0 %}<rect class=\"{{ share.class }}\" x=\"{{ \
              share.x }}\" y=\"0\" width=\"{{ share.width }}\" height=\"16\"><title>{{ share.words }}: {{ share.duration \
              }}</title></rect>{% endif %}{% endfor %}</svg>"
)]
pub(in crate::dashboard) struct Bar<'a> {
    shares: &'a [ShareItem],
}

impl HtmlSafe for Bar<'_> {}

impl<'a> Bar<'a> {
    pub(super) fn of(shares: &'a [ShareItem]) -> Self {
        Self { shares }
    }

    fn words(&self) -> String {
        let shares = self.shares.iter().map(|share| format!("{} {} %", share.words, share.percent));
        shares.collect::<Vec<_>>().join(", ")
    }
}

/// A stretch of a line.
#[derive(Debug)]
struct Stretch {
    class: &'static str,
    x: i64,
    width: i64,
    words: Words,
}

/// What is known of one task, or of issues.
#[derive(Debug)]
struct Line {
    what: Words,
    y: usize,
    stretches: Vec<Stretch>,
}

/// A mark on the time axis.
#[derive(Debug)]
struct Tick {
    x: i64,
    words: String,
}

/// A piece of the time in words.
#[derive(Debug, Serialize)]
struct PieceItem {
    share: Share,
    from: Time,
    seconds: i64,
    what: Vec<Words>,
    #[serde(skip)]
    duration: String,
    #[serde(skip)]
    class: &'static str,
    #[serde(skip)]
    words: &'static str,
}

/// Where the time of a release went.
#[derive(Debug, Serialize, Template)]
#[template(path = "timeline.html")]
pub(in crate::dashboard) struct Picture {
    began: Option<Time>,
    approved: Option<Time>,
    seconds: i64,
    shares: Vec<ShareItem>,
    longest: Vec<PieceItem>,
    not_known: Vec<Words>,
    #[serde(skip)]
    duration: String,
    #[serde(skip)]
    lines: Vec<Line>,
    #[serde(skip)]
    left_out: usize,
    #[serde(skip)]
    ticks: Vec<Tick>,
    #[serde(skip)]
    height: usize,
}

impl HtmlSafe for Picture {}

impl Picture {
    pub(super) fn new(timeline: &Timeline, shower: &Shower) -> Self {
        let moment = |text: &str| text.parse::<Timestamp>().ok().map(Timestamp::as_second);
        let began = timeline.began.as_deref().and_then(moment);
        let span = timeline.seconds.max(1);
        let place = |at: i64| (at - began.unwrap_or(at)).clamp(0, span) * WIDTH / span;
        let stretch = |share: Share, from: &str, until: &str, what: &str| {
            let (from_at, until_at) = (moment(from)?, moment(until)?);
            let (x, end) = (place(from_at), place(until_at));
            let words =
                format!("{what}: {}, {from} for {}", share.text(), duration_words(until_at - from_at));
            Some(Stretch {
                class: class_of(share),
                x: x.min(WIDTH - NARROWEST),
                width: (end - x).max(NARROWEST),
                words: shower.words(&words),
            })
        };
        let mut lines = vec![Line {
            what: shower.words("the whole"),
            y: 0,
            stretches: timeline
                .pieces
                .iter()
                .take(PIECES)
                .filter_map(|piece| stretch(piece.share, &piece.from, &piece.until, &piece.what.join(", ")))
                .collect(),
        }];
        let mut left_out = 0;
        for known in &timeline.stretches {
            let Some(shown) = stretch(known.share, &known.from, &known.until, &known.what) else { continue };
            let what = shower.words(&known.what);
            let count = lines.len();
            match lines.iter_mut().skip(1).find(|line| line.what == what) {
                Some(line) if line.stretches.len() < PIECES => line.stretches.push(shown),
                None if count <= LINES => {
                    lines.push(Line { what, y: count * LINE, stretches: vec![shown] });
                }
                _ => left_out += 1,
            }
        }
        let height = lines.len() * LINE;
        let mut longest: Vec<_> = timeline.pieces.iter().collect();
        longest.sort_by_key(|piece| std::cmp::Reverse(piece.seconds));
        longest.truncate(LISTED);
        longest.sort_by(|one, other| one.from.cmp(&other.from));
        Self {
            began: timeline.began.as_deref().map(|at| shower.time(at)),
            approved: timeline.approved.as_deref().map(|at| shower.time(at)),
            seconds: timeline.seconds,
            shares: ShareItem::all(&timeline.totals),
            longest: longest
                .into_iter()
                .map(|piece| PieceItem {
                    share: piece.share,
                    from: shower.time(&piece.from),
                    seconds: piece.seconds,
                    what: piece.what.iter().map(|what| shower.words(what)).collect(),
                    duration: duration_words(piece.seconds),
                    class: class_of(piece.share),
                    words: piece.share.text(),
                })
                .collect(),
            not_known: timeline.not_known.iter().map(|what| shower.words(what)).collect(),
            duration: duration_words(timeline.seconds),
            lines,
            left_out,
            ticks: began.map(|began| ticks(began, span)).unwrap_or_default(),
            height,
        }
    }

    fn bar(&self) -> Bar<'_> {
        Bar::of(&self.shares)
    }
}

/// A mark at each midnight (UTC), at most eight of them.
fn ticks(began: i64, span: i64) -> Vec<Tick> {
    const DAY: i64 = 86_400;
    let first = began.div_euclid(DAY) + 1;
    let last = (began + span).div_euclid(DAY);
    let step = usize::try_from((last - first) / 8 + 1).unwrap_or(1);
    let tick = |day: i64| {
        let at = Timestamp::from_second(day * DAY).ok()?;
        let words = at.to_zoned(TimeZone::UTC).strftime("%b %-d").to_string();
        Some(Tick { x: (day * DAY - began) * WIDTH / span, words })
    };
    (first..=last).step_by(step).filter_map(tick).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_fill_their_bar() {
        let totals: Vec<Total> = Share::ALL
            .into_iter()
            .zip([100, 0, 7, 893])
            .map(|(share, seconds)| Total { share, seconds })
            .collect();
        let shares = ShareItem::all(&totals);
        let widths: Vec<i64> = shares.iter().map(|share| share.width).collect();
        assert_eq!(widths, [100, 0, 7, 893]);
        let nothing: Vec<Total> = Share::ALL.into_iter().map(|share| Total { share, seconds: 0 }).collect();
        assert!(ShareItem::all(&nothing).iter().all(|share| share.width == 0));
        assert!(Bar::of(&shares).to_string().contains("nobody looking 89 %"));
    }

    #[test]
    fn a_mark_stands_at_midnight() {
        let began = "2026-07-01T12:00:00Z".parse::<Timestamp>().unwrap().as_second();
        let marks = ticks(began, 86_400);
        assert_eq!((marks.len(), marks[0].x, marks[0].words.as_str()), (1, 500, "Jul 2"));
        assert!(ticks(began, 86_400 * 300).len() <= 9);
        assert!(ticks(began, 60).is_empty());
    }
}
