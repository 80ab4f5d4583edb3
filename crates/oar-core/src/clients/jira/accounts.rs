//! Finding the account of a person (spec 02 §5.2 J-4).

use http::Method;
use url::form_urlencoded::Serializer;

use super::{Account, JiraClient, JiraError};
use crate::email::EmailAddress;

/// The most accounts that a user search returns; the exact one is among the first.
const SEARCH_SIZE: &str = "50";

impl JiraClient {
    /// The account of the person that shows exactly this address, ignoring case; never a similar one (spec 02
    /// §10 J1).
    ///
    /// Jira's search also finds accounts of applications and of service desk customers, which may have the
    /// same address. Issues are not assigned to those.
    pub async fn account_by_email(&self, address: &EmailAddress) -> Result<Account, JiraError> {
        let query = Serializer::new(String::new())
            .append_pair("query", address.expose())
            .append_pair("maxResults", SEARCH_SIZE)
            .finish();
        let call = self.call("find account", Method::GET, &format!("/user/search?{query}"))?;
        let reply = self.send(call).await?;
        let found: Vec<Account> = self.decode(&reply)?;
        let (people, others): (Vec<Account>, Vec<Account>) = found.into_iter().partition(Account::is_person);
        let shows = |account: &Account| account.email_address.as_deref().is_some_and(|text| address.is(text));
        let no_people = others.iter().filter(|account| shows(account)).count();
        let hidden = people.iter().filter(|account| account.hides_address()).count();
        let strangers = people.len() - hidden;
        let mut exact: Vec<Account> = people.into_iter().filter(shows).collect();
        if exact.len() > 1 && exact.iter().any(|account| account.active) {
            exact.retain(|account| account.active);
        }
        match (exact.pop(), exact.len()) {
            (None, _) => Err(JiraError::AccountNotVisible { strangers, hidden, no_people }),
            (Some(account), 0) if account.active => Ok(account),
            (Some(_), 0) => Err(JiraError::AccountInactive),
            (Some(_), rest) => Err(JiraError::AccountAmbiguous { count: rest + 1 }),
        }
    }
}
