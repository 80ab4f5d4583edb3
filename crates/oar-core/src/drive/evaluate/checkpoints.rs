//! Verdicts of checkpoints.

use jiff::SignedDuration;

use super::judgement::Judgement;
use super::{Evaluation, Judged, later};
use crate::clients::gitlab::MergeRequestState;
use crate::clients::release_controller::Phase;
use crate::drive::facts::{Alerts, BuildData, FactKey, Promotion, StageView, Tests};
use crate::drive::verdict::{Lack, Verdict};
use crate::flow::nodes::{Node, Row, Who};
use crate::operators::shipment::ReleaseState;
use crate::statebox::{Metadata, TaskName};

/// ART's own wait for the acceptance: an image is accepted at the latest this long after it was made.
const ACCEPTED_WITHIN: SignedDuration = SignedDuration::from_hours(24);

impl Evaluation<'_> {
    pub(super) fn checkpoint(&self, node: Node, row: &Row) -> Judged {
        if node == Node::Shipped {
            self.after_others(row)?;
            return self.shipped(row);
        }
        if self.approved {
            return Ok(Judgement::not_applicable("the release is approved"));
        }
        let tests_are_waived = self.is_waived(TaskName::AnalyzePromotedBuild);
        if tests_are_waived && [Node::ResultFile, Node::Aggregated, Node::Accepted].contains(&node) {
            return Ok(Judgement::not_applicable("the tests of the promoted build are waived"));
        }
        if node == Node::SecurityAlerts && self.input.state.is_some() && !self.has_rhcos() {
            return Ok(Judgement::not_applicable("the release has no RHCOS advisory"));
        }
        self.after_others(row)?;
        match node {
            Node::SecurityAlerts => self.alerts(row),
            Node::Promotion => self.promotion(row),
            Node::StageRelease => self.stage_release(row),
            Node::ResultFile | Node::Aggregated | Node::Accepted => self.tests(node, row),
            Node::Task(_) | Node::Shipped => Ok(Judgement::not_applicable("no checkpoint")),
        }
    }

    pub(super) fn has_rhcos(&self) -> bool {
        let named = |metadata: &Metadata| {
            metadata.advisory_ids.contains_key("rhcos")
                || metadata.pending.iter().any(|field| field == "advisory_ids.rhcos")
        };
        let current = match self.input.facts.build_data.value() {
            Some(BuildData::Present { metadata, .. }) => named(metadata),
            _ => false,
        };
        named(&self.metadata) || current
    }

    pub(super) fn alerts(&self, row: &Row) -> Judged {
        let seen = self.need(row, FactKey::Alerts, &self.input.facts.alerts)?;
        Ok(match &seen.value {
            Alerts::NotSecurity(words) => {
                Judgement::not_applicable(words.clone()).on(self.read(seen, "kind", "no security advisory"))
            }
            Alerts::Read { blocking, alerts } => {
                let done = Judgement::new(Verdict::Done).since(Some(seen.at)).on(self.read(
                    seen,
                    "alerts.blocking",
                    blocking.to_string(),
                ));
                if *blocking {
                    done.noting(format!("they block the approval: {}", alerts.join("; ")))
                } else {
                    done
                }
            }
        })
    }

    pub(super) fn promotion(&self, row: &Row) -> Judged {
        let seen = self.need(row, FactKey::Promotion, &self.input.facts.promotion)?;
        let Promotion { phase, .. } = &seen.value;
        let words = phase.as_ref().map_or("absent", Phase::text);
        let evidence = self.read(seen, "phase", words);
        let due = later(seen.at, row.poll);
        let until = self.limit(row, self.announced());
        Ok(match phase {
            Some(Phase::Accepted) => Judgement::new(Verdict::Done).on(evidence),
            Some(Phase::Rejected | Phase::Failed) => Judgement::asks(
                format!("the release is {words} in its stable stream; ART can override that by hand"),
                &["ask ART", "wait"],
            )
            .due(due)
            .on(evidence),
            None => Judgement::waiting("the promotion: the stable stream does not show the release")
                .due(due)
                .until(until)
                .on(evidence),
            Some(_) => Judgement::waiting(format!("the promotion: the release is {words}"))
                .due(due)
                .until(until)
                .on(evidence),
        })
    }

    pub(super) fn stage_release(&self, row: &Row) -> Judged {
        let seen = self.need(row, FactKey::StageRelease, &self.input.facts.stage_release)?;
        let due = later(seen.at, row.poll);
        if let Some(problem) = stage_problem(&seen.value) {
            return Ok(problem.due(due).on(self.read(seen, "state", seen.value.merge_request.to_string())));
        }
        let (judgement, word) = match &seen.value.release {
            ReleaseState::Succeeded => (Judgement::new(Verdict::Done), "success"),
            ReleaseState::NotReady(why) => {
                (Judgement::waiting(format!("the stage release: {why}")).due(due), "not ready")
            }
            ReleaseState::Failed(why) => {
                (Judgement::blocked(format!("the stage release failed: {why}"), Who::Art).due(due), "failed")
            }
            ReleaseState::Unknown(why) => {
                let what = format!("the stage release, which cannot be determined: {why}");
                (Judgement::new(Verdict::Waiting { what, unknown: true }).due(due), "unknown")
            }
        };
        Ok(judgement.on(self.read(seen, "stage-release", word)))
    }

    pub(super) fn tests(&self, node: Node, row: &Row) -> Judged {
        let seen = self.need(row, FactKey::Tests, &self.input.facts.tests)?;
        let due = later(seen.at, row.poll);
        let Tests::Record { blob, aggregated, since, .. } = &seen.value else {
            let made = self.input.facts.promotion.value().and_then(|promotion| promotion.created);
            let latest = made.map(|made| later(made, ACCEPTED_WITHIN));
            let until = self.limit(row, latest);
            return Ok(Judgement::waiting("the record of the tests")
                .due(due)
                .until(until)
                .on(self.read(seen, "file", "absent")));
        };
        let done = Judgement::new(Verdict::Done);
        Ok(match node {
            Node::ResultFile => done.on(self.read(seen, "blob", blob.clone())),
            Node::Aggregated => {
                let evidence = self.read(seen, "aggregated", aggregated.to_string());
                let until = self.limit(row, *since);
                if *aggregated {
                    done.on(evidence)
                } else {
                    Judgement::waiting("the end of all tests")
                        .due(due)
                        .since(*since)
                        .until(until)
                        .on(evidence)
                }
            }
            _ => {
                let verdict = seen.value.verdict();
                let evidence = self.read(seen, "verdict", verdict);
                if seen.value.are_good() {
                    done.noting(verdict.to_owned()).on(evidence)
                } else if self.accepted_by_person(TaskName::AnalyzePromotedBuild) {
                    Judgement::not_applicable("a person has accepted the build in analyze-promoted-build")
                        .on(evidence)
                } else if let Some(looking) = self.looked_at_further(TaskName::AnalyzePromotedBuild) {
                    looking.due(due).on(evidence)
                } else {
                    // Who decides is asked there.
                    let task = TaskName::AnalyzePromotedBuild;
                    Judgement::waiting(format!("a decision in {task}: the tests are {verdict}"))
                        .due(due)
                        .on(evidence)
                }
            }
        })
    }

    pub(super) fn shipped(&self, row: &Row) -> Judged {
        let seen = self.need(row, FactKey::Shipped, &self.input.facts.shipped)?;
        let due = later(seen.at, row.poll);
        let details: Vec<String> =
            seen.value.details.iter().map(|(key, words)| format!("{key} {words}")).collect();
        let details = details.join(", ");
        Ok(match seen.value.shipped {
            Some(true) => {
                Judgement::new(Verdict::Done).since(Some(seen.at)).on(self.read(seen, "shipped", "true"))
            }
            None => {
                let what = format!("the shipping, which cannot be determined: {details}");
                let mut judgement = Judgement::new(Verdict::Waiting { what, unknown: true })
                    .due(due)
                    .on(self.read(seen, "shipped", "unknown"));
                judgement.lacks = Some(Lack { fact: FactKey::Shipped, why: details });
                judgement
            }
            Some(false) => {
                if self.konflux == Some(true) {
                    self.still_approved(row)?;
                }
                Judgement::waiting(format!("the shipping: {details}"))
                    .due(due)
                    .on(self.read(seen, "shipped", "false"))
            }
        })
    }

    /// A new commit of ART can take the approval away.
    pub(super) fn still_approved(&self, row: &Row) -> Result<(), Judgement> {
        let seen = self.need(row, FactKey::Approvals, &self.input.facts.approvals)?;
        let approvals = &seen.value;
        let missing = approvals.open && (approvals.given == 0 || approvals.left.is_some_and(|left| left > 0));
        if !missing {
            return Ok(());
        }
        let words = format!(
            "{} given, {} needed",
            approvals.given,
            approvals.left.map_or_else(|| "?".to_owned(), |left| left.to_string())
        );
        Err(Judgement::asks(
            format!("the shipment merge request is not approved any more ({words}): approve it again?"),
            &["approve again", "wait"],
        )
        .asked_of(Who::Leads)
        .about("approve it again?")
        .by_command(format!("oar -r {} add-qe-approval", self.input.release))
        .due(later(seen.at, row.poll))
        .on(self.read(seen, "approvals", words)))
    }
}

/// What is wrong with the merge request itself.
pub(super) fn stage_problem(view: &StageView) -> Option<Judgement> {
    match view.merge_request {
        MergeRequestState::Closed => {
            Some(Judgement::blocked("the shipment merge request is closed", Who::Art))
        }
        MergeRequestState::Unknown => Some(Judgement::new(Verdict::Waiting {
            what: "the shipment merge request, whose state this program does not know".to_owned(),
            unknown: true,
        })),
        MergeRequestState::Opened if view.draft => {
            Some(Judgement::waiting("ART, which still prepares the shipment: the merge request is a draft"))
        }
        MergeRequestState::Opened | MergeRequestState::Merged | MergeRequestState::Locked => None,
    }
}
