//! The decision table of spec 05 §3.3, without defects N4 and N5 of the Python tooling.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::calendar::WeekdayCalendar;
use super::comment::NoticeKind;

/// How long each rung waits for an answer, in hours of weekdays.
const RUNG: SignedDuration = SignedDuration::from_hours(24);
/// What is more than nothing.
const MOMENT: SignedDuration = SignedDuration::from_nanos(1);

/// The facts of an issue that come from Jira alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// When its status last became `ON_QA`. `None` when no change of its history says so.
    pub on_qa_since: Option<Timestamp>,
    /// The notifications among all of its comments, in any order.
    pub notices: Vec<(NoticeKind, Timestamp)>,
    /// Whether it has a QA contact.
    pub has_qa_contact: bool,
    /// Whether it has the label for missing answers.
    pub has_label: bool,
    /// The label that suppresses notifications, if it has one.
    pub snoozed_by: Option<String>,
}

/// The row of the table that applies to an issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// A label suppresses notifications.
    Snoozed,
    /// Row 1: the time when it became `ON_QA` is unknown.
    NoOnQaTime,
    /// Row 2: the QA contact was not notified.
    NotTold,
    /// Row 3: the QA contact was notified once.
    QaContactTold,
    /// Row 4: the QA contact was notified twice.
    TeamLeadTold,
    /// Row 5: the manager was notified; there is nobody else.
    ManagerTold,
}

impl Row {
    /// The row's number in spec 05 §3.3; `None` for the row that only this program has.
    pub const fn number(self) -> Option<u8> {
        match self {
            Self::Snoozed => None,
            Self::NoOnQaTime => Some(1),
            Self::NotTold => Some(2),
            Self::QaContactTold => Some(3),
            Self::TeamLeadTold => Some(4),
            Self::ManagerTold => Some(5),
        }
    }
}

/// What reports and summaries count. A stand-in, the assignee or the reporter, is told once, and the rows then pass by time: no
/// row may say of such a bug that somebody was told who was not.
impl fmt::Display for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Snoozed => "snoozed by a label",
            Self::NoOnQaTime => "its history does not say when it became ON_QA",
            Self::NotTold => "the QA contact was not notified yet",
            Self::QaContactTold => "the QA contact or a stand-in was notified",
            Self::TeamLeadTold => "the QA contact was notified twice, or a stand-in once",
            Self::ManagerTold => "the manager or a stand-in was notified",
        })
    }
}

/// The next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Notify the QA contact, or the assignee if there is none.
    TellQaContact,
    /// Notify the QA contact again, or the assignee if there is none.
    TellTeamLead,
    /// Notify the QA contact's manager, or the assignee if there is none.
    TellManager,
    /// Add the label for missing answers.
    AddLabel,
}

impl Step {
    /// In the order in which they follow each other.
    pub const ALL: [Self; 4] = [Self::TellQaContact, Self::TellTeamLead, Self::TellManager, Self::AddLabel];

    /// Its name in the claims that programs leave at an issue. Other versions of the programs read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TellQaContact => "qa-contact",
            Self::TellTeamLead => "team-lead",
            Self::TellManager => "manager",
            Self::AddLabel => "label",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::TellQaContact => "tell the QA contact",
            Self::TellTeamLead => "tell the QA contact again",
            Self::TellManager => "tell the QA contact's manager",
            Self::AddLabel => "add the label that says that nobody answered",
        })
    }
}

/// The decision about an issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The row of the table.
    pub row: Row,
    /// Since when the row applies.
    pub since: Option<Timestamp>,
    /// When the row's time is over; the next step is due after this time. `None` when no step follows.
    pub due: Option<Timestamp>,
    /// The step to do now.
    pub step: Option<Step>,
    /// Whether the label must be removed: the issue is in `ON_QA` again, and nobody was notified yet.
    pub removes_label: bool,
}

impl Decision {
    fn nothing(row: Row) -> Self {
        Self { row, since: None, due: None, step: None, removes_label: false }
    }
}

/// The table at one point in time.
#[derive(Debug)]
pub struct Ladder<'a> {
    calendar: &'a WeekdayCalendar,
    now: Timestamp,
}

/// The position of an issue on the ladder: since when the row applies, and the next step.
struct Rung {
    row: Row,
    since: Timestamp,
    next: Option<Step>,
}

impl<'a> Ladder<'a> {
    /// The table at `now`; `calendar` defines which hours count.
    pub fn new(calendar: &'a WeekdayCalendar, now: Timestamp) -> Self {
        Self { calendar, now }
    }

    /// The row that applies to an issue, and the next step.
    ///
    /// Without a QA contact, the assignee or the reporter is notified once, which counts as the first rung.
    /// The following rungs have nobody else to notify, so each passes when its time is over, up to the label;
    /// the Python tooling stays on the first one for ever (N5). Notifications from before the issue became
    /// `ON_QA` do not count (N4).
    pub fn decide(&self, facts: &Facts) -> Decision {
        if facts.snoozed_by.is_some() {
            return Decision::nothing(Row::Snoozed);
        }
        let Some(on_qa) = facts.on_qa_since else { return Decision::nothing(Row::NoOnQaTime) };
        let rung = self.rung(facts, on_qa);
        let due = rung.next.and_then(|_| self.calendar.after(rung.since, RUNG));
        Decision {
            step: rung.next.filter(|_| due.is_some_and(|due| self.now > due)),
            removes_label: rung.row == Row::NotTold && facts.has_label,
            row: rung.row,
            since: Some(rung.since),
            due,
        }
    }

    /// The next step that follows if nothing changes, and when: the first moment after this time. `None` when nothing
    /// follows.
    pub fn next(&self, facts: &Facts) -> Option<(Timestamp, Step)> {
        let now = self.decide(facts);
        if let Some(step) = now.step {
            return Some((now.due?, step));
        }
        let mut at = now.since?;
        // The rungs that pass without a step are fewer.
        for _ in 0..=Step::ALL.len() {
            at = self.calendar.after(at, RUNG)?;
            let then = Ladder { calendar: self.calendar, now: at.checked_add(MOMENT).ok()? };
            if let Some(step) = then.decide(facts).step.filter(|_| at >= self.now) {
                return Some((at, step));
            }
        }
        None
    }

    /// When the first rung is over for an issue that became `ON_QA` at `since`: nothing is done before.
    pub fn first_due(&self, since: Timestamp) -> Option<Timestamp> {
        self.calendar.after(since, RUNG)
    }

    /// The moment for which the table is asked.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    fn rung(&self, facts: &Facts, on_qa: Timestamp) -> Rung {
        let newest = |kind: NoticeKind| {
            let told = facts.notices.iter().filter(|(told, at)| *told == kind && *at >= on_qa);
            told.map(|(_, at)| *at).max()
        };
        let stand_in_after = |since: Timestamp| {
            let stands_in = |kind| matches!(kind, NoticeKind::Assignee | NoticeKind::Reporter);
            let told = facts.notices.iter().filter(|(kind, at)| stands_in(*kind) && *at >= since);
            told.map(|(_, at)| *at).min()
        };
        let Some(first) = newest(NoticeKind::QaContact).or_else(|| stand_in_after(on_qa)) else {
            return Rung { row: Row::NotTold, since: on_qa, next: Some(Step::TellQaContact) };
        };
        // Without a QA contact the substitute was notified of what is missing; repeating that would be noise.
        let nobody_else = !facts.has_qa_contact && stand_in_after(on_qa).is_some();
        let passed =
            |since: Timestamp| self.calendar.after(since, RUNG).filter(|due| nobody_else && self.now > *due);
        let step = |step: Step| (!nobody_else).then_some(step);
        let Some(second) = newest(NoticeKind::TeamLead).or_else(|| passed(first)) else {
            return Rung { row: Row::QaContactTold, since: first, next: step(Step::TellTeamLead) };
        };
        let third = newest(NoticeKind::Manager).or_else(|| stand_in_after(second)).or_else(|| passed(second));
        let Some(third) = third else {
            return Rung { row: Row::TeamLeadTold, since: second, next: step(Step::TellManager) };
        };
        Rung { row: Row::ManagerTold, since: third, next: (!facts.has_label).then_some(Step::AddLabel) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use NoticeKind::{Assignee, Manager, QaContact, Reporter, TeamLead};

    fn at(text: &str) -> Timestamp {
        format!("2026-{text}:00Z").parse().unwrap()
    }

    /// 2026-06-29 is a Monday.
    const ON_QA: &str = "06-29T10:00";

    fn facts(notices: &[(NoticeKind, &str)]) -> Facts {
        Facts {
            on_qa_since: Some(at(ON_QA)),
            notices: notices.iter().map(|(kind, time)| (*kind, at(time))).collect(),
            has_qa_contact: true,
            ..Facts::default()
        }
    }

    fn decide(facts: &Facts, now: &str) -> Decision {
        Ladder::new(&WeekdayCalendar::default(), at(now)).decide(facts)
    }

    fn step(facts: &Facts, now: &str) -> Option<Step> {
        decide(facts, now).step
    }

    #[test]
    fn row_1_nothing_is_done_without_the_time() {
        let facts = Facts { on_qa_since: None, ..facts(&[]) };
        assert_eq!(decide(&facts, "07-30T10:00"), Decision::nothing(Row::NoOnQaTime));
    }

    #[test]
    fn row_2_the_qa_contact_after_more_than_a_weekday() {
        let facts = facts(&[]);
        assert_eq!(step(&facts, "06-30T10:00"), None, "exactly 24 hours");
        let late = decide(&facts, "06-30T10:01");
        assert_eq!((late.row, late.step), (Row::NotTold, Some(Step::TellQaContact)));
        assert_eq!((late.since, late.due), (Some(at(ON_QA)), Some(at("06-30T10:00"))));
    }

    #[test]
    fn row_2_holds_whoever_else_was_told() {
        let facts = facts(&[(TeamLead, "06-30T10:00"), (Manager, "06-30T11:00")]);
        assert_eq!(decide(&facts, "06-30T12:00").row, Row::NotTold);
    }

    #[test]
    fn row_2_removes_the_label_at_once() {
        let facts = Facts { has_label: true, ..facts(&[]) };
        let early = decide(&facts, "06-29T10:01");
        assert!(early.removes_label && early.step.is_none());
        let told = Facts { has_label: true, ..self::facts(&[(QaContact, "06-30T10:01")]) };
        assert!(!decide(&told, "06-30T10:02").removes_label);
    }

    #[test]
    fn row_3_the_qa_contact_again() {
        let facts = facts(&[(QaContact, "06-30T10:01")]);
        assert_eq!(step(&facts, "07-01T10:01"), None);
        let late = decide(&facts, "07-01T10:02");
        assert_eq!((late.row, late.step), (Row::QaContactTold, Some(Step::TellTeamLead)));
    }

    #[test]
    fn row_4_the_manager() {
        let facts = facts(&[(QaContact, "06-30T10:01"), (TeamLead, "07-01T10:02")]);
        assert_eq!(step(&facts, "07-02T10:02"), None);
        let late = decide(&facts, "07-02T10:03");
        assert_eq!((late.row, late.step), (Row::TeamLeadTold, Some(Step::TellManager)));
    }

    #[test]
    fn row_5_the_label_once() {
        let told = [(QaContact, "06-30T10:01"), (TeamLead, "07-01T10:02"), (Manager, "07-02T10:03")];
        let facts = facts(&told);
        assert_eq!(step(&facts, "07-03T10:03"), None);
        assert_eq!(step(&facts, "07-03T10:04"), Some(Step::AddLabel));
        let labelled = Facts { has_label: true, ..facts };
        let end = decide(&labelled, "07-30T10:00");
        assert_eq!((end.row, end.step, end.due), (Row::ManagerTold, None, None));
    }

    #[test]
    fn the_newest_notification_of_a_kind_counts() {
        let facts = facts(&[(QaContact, "06-30T10:01"), (QaContact, "06-30T20:00")]);
        assert_eq!(decide(&facts, "07-01T10:02").since, Some(at("06-30T20:00")));
    }

    #[test]
    fn vectors_of_the_weekday_rule() {
        for (on_qa, now, expected) in [
            ("06-30T10:00", "07-01T10:00", None),
            ("06-30T10:00", "07-01T10:01", Some(Step::TellQaContact)),
            ("07-03T10:00", "07-06T10:00", None),
            ("07-03T10:00", "07-06T10:01", Some(Step::TellQaContact)),
            ("06-30T10:00", "07-01T09:00", None),
            ("06-30T10:00", "07-03T11:00", Some(Step::TellQaContact)),
            ("06-30T10:00", "06-30T09:00", None),
        ] {
            let facts = Facts { on_qa_since: Some(at(on_qa)), ..facts(&[]) };
            assert_eq!(step(&facts, now), expected, "{on_qa} to {now}");
        }
    }

    #[test]
    fn what_was_told_before_a_reopening_counts_for_nothing() {
        for kind in NoticeKind::ALL {
            let facts = facts(&[(kind, "06-26T10:00")]);
            assert_eq!(decide(&facts, "06-30T10:01").step, Some(Step::TellQaContact), "{kind:?}");
            let bare = Facts { has_qa_contact: false, ..facts };
            assert_eq!(decide(&bare, "06-30T10:01").step, Some(Step::TellQaContact), "{kind:?}");
        }
    }

    #[test]
    fn without_a_qa_contact_the_stand_in_is_told_once_and_the_label_follows() {
        for stand_in in [Assignee, Reporter] {
            let facts = Facts { has_qa_contact: false, ..facts(&[(stand_in, "06-30T10:01")]) };
            for (now, row) in [
                ("06-30T10:02", Row::QaContactTold),
                ("07-01T10:01", Row::QaContactTold),
                ("07-01T10:02", Row::TeamLeadTold),
                ("07-02T10:02", Row::ManagerTold),
            ] {
                let decision = decide(&facts, now);
                assert_eq!((decision.row, decision.step), (row, None), "{now}");
                assert!(row.to_string().contains("a stand-in"), "{row}: nobody else was told");
            }
            assert_eq!(step(&facts, "07-03T10:01"), None);
            assert_eq!(step(&facts, "07-03T10:02"), Some(Step::AddLabel));
        }
    }

    #[test]
    fn a_qa_contact_who_was_named_later_is_told_by_the_next_rung() {
        let facts = facts(&[(Assignee, "06-30T10:01")]);
        assert_eq!(step(&facts, "07-01T10:02"), Some(Step::TellTeamLead));
    }

    #[test]
    fn a_stand_in_for_the_manager_advances_the_ladder() {
        let told = [(QaContact, "06-30T10:01"), (TeamLead, "07-01T10:02"), (Assignee, "07-02T10:03")];
        let facts = facts(&told);
        let waiting = decide(&facts, "07-02T10:04");
        assert_eq!((waiting.row, waiting.step), (Row::ManagerTold, None));
        assert_eq!(step(&facts, "07-03T10:04"), Some(Step::AddLabel));
        let earlier =
            self::facts(&[(Assignee, "06-30T09:00"), (QaContact, "06-30T10:01"), (TeamLead, "07-01T10:02")]);
        assert_eq!(decide(&earlier, "07-02T10:03").step, Some(Step::TellManager), "of another reason");
    }

    #[test]
    fn a_snoozed_issue_is_left_alone() {
        let facts = Facts { snoozed_by: Some("ert:snooze".to_owned()), has_label: true, ..facts(&[]) };
        assert_eq!(decide(&facts, "07-30T10:00"), Decision::nothing(Row::Snoozed));
    }

    #[test]
    fn what_comes_next_is_told_with_its_time() {
        let next = |facts: &Facts, now: &str| Ladder::new(&WeekdayCalendar::default(), at(now)).next(facts);
        let told = facts(&[]);
        let first = Some((at("06-30T10:00"), Step::TellQaContact));
        assert_eq!(next(&told, "06-29T11:00"), first);
        assert_eq!(next(&told, "07-02T11:00"), first, "overdue");
        let told = facts(&[(QaContact, "06-30T10:01")]);
        assert_eq!(next(&told, "06-30T10:02"), Some((at("07-01T10:01"), Step::TellTeamLead)));
        let bare = Facts { has_qa_contact: false, ..facts(&[(Assignee, "06-30T10:01")]) };
        let label = Some((at("07-03T10:01"), Step::AddLabel));
        for now in ["06-30T10:02", "07-01T12:00", "07-02T12:00", "07-03T10:02"] {
            assert_eq!(next(&bare, now), label, "rungs that pass without a step: {now}");
        }
        let labelled = Facts { has_label: true, ..bare };
        assert_eq!(next(&labelled, "07-01T10:02"), None);
        let snoozed = Facts { snoozed_by: Some("x".to_owned()), ..facts(&[]) };
        assert_eq!(next(&snoozed, "07-01T10:02"), None);
    }

    #[test]
    fn rows_have_the_numbers_of_the_table() {
        let rows = [Row::NoOnQaTime, Row::NotTold, Row::QaContactTold, Row::TeamLeadTold, Row::ManagerTold];
        assert_eq!(rows.map(Row::number), [1, 2, 3, 4, 5].map(Some));
    }
}
