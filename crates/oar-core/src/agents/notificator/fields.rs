//! Whether Jira's fields are the ones that are meant. Their ids are configured, and differ between sites.

use super::pass::Notificator;
use crate::clients::jira::{FieldName, Issue};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::service::Service;

/// The field that holds who verifies an issue.
const QA_CONTACT: &str = "QA Contact";
/// The field that holds who is asked for information.
const NEED_INFO: &str = "Need Info From";

impl Notificator<'_> {
    /// Each field that is needed: the key of its id in `jira_notificator.fields`, the id, and the name that it should have.
    fn needed_fields(&self) -> [(&'static str, &str, &'static str); 2] {
        [
            ("qa_contact", &self.settings.qa_contact_field, QA_CONTACT),
            ("need_info", &self.settings.need_info_field, NEED_INFO),
        ]
    }

    /// Fails if no issue shows a field that is needed. Jira leaves out a field that it does not know or that the account may
    /// not see, and without this every bug would count as one without a QA contact.
    pub(super) fn check_fields(&self, found: &[Issue]) -> Result<(), ServiceError> {
        for (key, field, _) in self.needed_fields() {
            if !found.is_empty() && !found.iter().any(|issue| issue.has(field)) {
                let words = format!("no bug shows the field {field} (jira_notificator.fields.{key})");
                let error =
                    ServiceError::new(Service::Jira, "search issues", ServiceErrorKind::Malformed, words);
                return Err(error.with_hint(format!(
                    "Correct jira_notificator.fields.{key} in the configuration document, or let this account see \
                     the field."
                )));
            }
        }
        Ok(())
    }

    /// Warns of a field that has another name in Jira than expected (spec 05 §3.2). It is only a warning: Jira knows fields by
    /// their ids, and anybody who administers it may rename one.
    pub(super) async fn compare_field_names(&self) {
        let names = match self.jira.field_names().await {
            Ok(names) => names,
            Err(error) => {
                tracing::warn!("the names of Jira's fields are not known: {error}");
                return;
            }
        };
        for (key, field, expected) in self.needed_fields() {
            if let Some(name) = other_name(&names, field, expected) {
                tracing::warn!(
                    "{field} is Jira's field `{name}`, expected `{expected}`; check jira_notificator.fields.{key}"
                );
            }
        }
    }

    /// Why nobody is told of an issue whose QA contact is not known.
    pub(super) fn no_qa_contact_shown(&self) -> String {
        format!("Jira does not show its QA contact ({})", self.settings.qa_contact_field)
    }
}

/// The name of the field `id`, if it has another one than `expected`.
fn other_name<'a>(names: &'a [FieldName], id: &str, expected: &str) -> Option<&'a str> {
    let field = names.iter().find(|field| field.id == id)?;
    let name = field.name.trim();
    (!name.eq_ignore_ascii_case(expected)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_with_another_name_is_noticed() {
        let names = [("customfield_1", "need info from "), ("customfield_2", "Story Points")]
            .map(|(id, name)| FieldName { id: id.to_owned(), name: name.to_owned() });
        assert_eq!(other_name(&names, "customfield_1", NEED_INFO), None);
        assert_eq!(other_name(&names, "customfield_2", NEED_INFO), Some("Story Points"));
        assert_eq!(
            other_name(&names, "customfield_3", NEED_INFO),
            None,
            "that no bug shows it is an error already"
        );
    }
}
