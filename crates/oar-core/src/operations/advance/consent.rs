//! What lets a critical plan of the engine through: the policy of the document, or a consent that a person recorded.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::clients::Clients;
use crate::config::Leave;
use crate::error::ErrorClass;
use crate::flow::consent::{Allows, Consent, Question};
use crate::flow::nodes::Node;
use crate::flow::outcome::Refusal;
use crate::operations::consent::use_consent;
use crate::permit::WritePermit;

/// Answers for a run of one node.
pub(super) struct Standing {
    pub(super) node: Node,
    pub(super) policy: Leave,
    pub(super) clients: Clients,
    pub(super) permit: Arc<WritePermit>,
    /// The id of the run, which uses a recorded consent up.
    pub(super) run: String,
    /// What allowed the run.
    pub(super) allowed_by: Mutex<Option<String>>,
}

impl std::fmt::Debug for Standing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Standing").field("node", &self.node).finish_non_exhaustive()
    }
}

/// The words for a run that the document allowed.
pub(super) fn by_policy(node: Node) -> String {
    format!("the standing consent of the configuration document: drive.{node} is auto")
}

impl Standing {
    pub(super) fn allowed_by(&self) -> Option<String> {
        self.allowed_by.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn allow(&self, words: String) {
        tracing::info!("allowed by {words}");
        *self.allowed_by.lock().unwrap_or_else(PoisonError::into_inner) = Some(words);
    }
}

#[async_trait]
impl Consent for Standing {
    fn can_ask(&self) -> bool {
        false
    }

    async fn ask(&self, question: Question<'_>) -> Result<(), Refusal> {
        let words = |why: &str| format!("{}, {why}; {}", question.why(), question.otherwise());
        let refuse = |why: &str| Refusal::blocked(words(why));
        match (question.allows, self.policy) {
            // Data that ART has changed is a person's to accept, whatever the policy says.
            (Allows::ChangedData | Allows::OneRun, _) => Err(refuse("which the engine never gives")),
            (Allows::Changes, Leave::Auto) => {
                self.allow(by_policy(self.node));
                Ok(())
            }
            (Allows::Changes, Leave::Never) => Err(refuse("and the policy leaves it to people")),
            (Allows::Changes, Leave::Ask) => {
                match use_consent(&self.clients, question, &self.run, &self.permit).await {
                    Ok(consent) => {
                        self.allow(format!("the consent of {} of {}", consent.by, consent.at));
                        Ok(())
                    }
                    // Another engine that used the same consent is no reason to ask people: the next look sees what it did.
                    Err(error) => {
                        let error = error.inner();
                        let class = match error.class() {
                            class @ ErrorClass::Conflict => class,
                            _ => ErrorClass::Blocked,
                        };
                        let hint = error.hint().unwrap_or_else(|| {
                            format!("Consent to it: oar -r {} consent {}", question.release, question.command)
                        });
                        Err(Refusal::new(class, words(&format!("and {error}"))).with_hint(hint))
                    }
                }
            }
        }
    }
}
