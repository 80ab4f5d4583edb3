//! Whose manager is who: asked only for the people whose manager a step tells.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use futures::stream::iter;
use tokio::sync::Mutex;

use super::audience::{Audience, Manager, Managers};
use super::pass::{CONCURRENCY, Notificator, Plan};
use crate::clients::jira::{Account, AccountId, JiraError};
use crate::clients::ldap::Absence;
use crate::email::EmailAddress;
use crate::error::ServiceErrorKind;

impl Notificator<'_> {
    /// The managers that these plans ask for, each looked for once.
    pub(super) async fn managers(&self, plans: &[Plan]) -> Managers {
        let mut managers = Managers::new();
        let accounts: BTreeMap<&AccountId, &Account> =
            plans.iter().flat_map(|plan| &plan.issue.accounts).collect();
        let silent = Mutex::new(None);
        loop {
            let wanted: BTreeSet<AccountId> = plans
                .iter()
                .filter_map(|plan| match Audience::of(plan.decision.step?, &plan.issue.people, &managers)? {
                    Audience::AskManagerOf(person) => Some(person),
                    _ => None,
                })
                .collect();
            if wanted.is_empty() {
                return managers;
            }
            let address = |person: &AccountId| accounts.get(person).and_then(|account| account.email());
            let looks: Vec<_> = wanted.iter().map(|person| self.manager(address(person), &silent)).collect();
            let found: Vec<Manager> = iter(looks).buffered(CONCURRENCY).collect().await;
            managers.extend(wanted.into_iter().zip(found));
        }
    }

    /// The account of the manager of whoever has this address; somebody who hides it has none that can be found.
    ///
    /// `silent` holds why the directory did not answer, once it did not. Nobody else is then looked up in this pass: each
    /// of them would wait for the time limit again, one after the other.
    async fn manager(&self, address: Option<EmailAddress>, silent: &Mutex<Option<String>>) -> Manager {
        let unknown =
            |why: &dyn std::fmt::Display| Manager::Unknown(format!("could not look up a manager: {why}"));
        let Some(address) = address else { return Manager::NotFound };
        // The directory's one connection serves one look-up at a time anyway.
        let mut silent = silent.lock().await;
        if let Some(why) = &*silent {
            return unknown(why);
        }
        let found = self.directory.only_manager_of(&address).await;
        if let Err(error) = &found
            && error.kind == ServiceErrorKind::Unavailable
        {
            *silent = Some(error.to_string());
        }
        drop(silent);
        let addresses = match found {
            Ok(Ok(addresses)) => addresses,
            Ok(Err(absence @ (Absence::SeveralPeople | Absence::SeveralManagers))) => {
                return unknown(&absence);
            }
            Ok(Err(_)) => return Manager::NotFound,
            Err(error) => return unknown(&error),
        };
        // Jira may know the manager by any of them.
        for address in addresses {
            match self.jira.account_by_email(&address).await {
                Ok(account) => return Manager::Found(account.id),
                Err(error @ (JiraError::Service(_) | JiraError::AccountAmbiguous { .. })) => {
                    return unknown(&error);
                }
                Err(_) => {}
            }
        }
        Manager::NotFound
    }
}
