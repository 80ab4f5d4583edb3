"""Jira Cloud through the jira package."""

import json
import time
import unittest
from datetime import datetime

from jira import JIRA, JIRAError

import support

TICKET = "ART-14191"
HIDDEN = "OCPBUGS-60999"
# Jira takes 20 writes to one issue in two seconds.
PAUSE = 0.11


def client(login=None):
    login = login or (support.setting("JIRA_USERNAME"), support.setting("JIRA_TOKEN"))
    return JIRA(support.setting("OAR_ENDPOINT_JIRA"), basic_auth=login, max_retries=0)


class Jira(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.jira = client()

    def refused(self, status, text, call, *arguments, **named):
        with self.assertRaises(JIRAError) as caught:
            call(*arguments, **named)
        self.assertEqual(caught.exception.status_code, status)
        self.assertIn(text, caught.exception.text)

    def test_the_server_is_cloud(self):
        self.assertTrue(self.jira._is_cloud)
        self.assertEqual(self.jira.server_info()["deploymentType"], "Cloud")

    def test_the_caller(self):
        self.assertEqual(self.jira.myself()["emailAddress"], support.setting("JIRA_USERNAME"))

    def test_a_ticket_with_its_subtasks(self):
        ticket = self.jira.issue(TICKET)
        self.assertEqual((ticket.key, ticket.fields.status.name), (TICKET, "In Progress"))
        subtasks = ticket.fields.subtasks
        self.assertEqual(len(subtasks), 5)
        self.assertIn("[Wed-Fri] QE does release verification", [task.fields.summary for task in subtasks])
        self.assertFalse(hasattr(subtasks[0].fields, "assignee"))
        self.assertEqual(self.jira.issue(ticket.id).key, TICKET)

    def test_chosen_fields(self):
        issue = self.jira.issue("OCPBUGS-60010", fields="summary,customfield_10470", expand="changelog")
        self.assertEqual(issue.fields.customfield_10470.emailAddress, "qcontact@example.com")
        self.assertFalse(hasattr(issue.fields, "status"))
        self.assertEqual(issue.changelog.histories[0].items[0].toString, "ON_QA")

    def test_absent_and_hidden_issues(self):
        for key in ("ART-1", HIDDEN):
            self.refused(404, "Issue does not exist or you do not have permission to see it.", self.jira.issue, key)

    def test_people_are_found_by_prefix(self):
        found = self.jira.search_users(query="demo-lead", includeActive=True, includeInactive=False, maxResults=20)
        self.assertEqual([user.emailAddress for user in found], ["demo-lead@other.example.com", "demo-lead@example.com"])
        hidden = self.jira.search_users(query="shy-lead@example.com")
        self.assertFalse(hasattr(hidden[0], "emailAddress"))
        self.assertEqual(self.jira.search_users(query="former-lead"), [])

    def test_searching_people_by_name_is_gone(self):
        self.refused(400, "GDPR", self.jira._get_json, "user/search", params={"username": "demo-lead"})

    def test_assigning(self):
        key = "ART-14194"
        self.jira.assign_issue(key, "demo-lead@example.com")
        self.assertEqual(self.jira.issue(key).fields.assignee.emailAddress, "demo-lead@example.com")
        self.jira.assign_issue(key, None)
        self.assertIsNone(self.jira.issue(key).fields.assignee)

    def test_assignments_that_are_refused(self):
        url = f"{support.setting('OAR_ENDPOINT_JIRA')}/rest/api/latest/issue/ART-14192/assignee"
        put = self.jira._session.put
        self.refused(400, "accountId", put, url, data='{"name": "demo-lead"}')
        self.refused(400, "does not exist", put, url, data='{"accountId": "712020:nobody"}')
        self.refused(400, "cannot be assigned", put, url, data='{"accountId": "712020:outsider"}')
        self.assertIsNone(self.jira.issue("ART-14192").fields.assignee)

    def test_a_step_by_name(self):
        key = "ART-14195"
        self.assertEqual([step["name"] for step in self.jira.transitions(key)], ["In Progress", "Closed"])
        self.jira.transition_issue(key, "in progress")
        self.assertEqual(self.jira.issue(key).fields.status.name, "In Progress")
        self.jira.transition_issue(key, "Closed")
        self.assertNotIn("Closed", [step["name"] for step in self.jira.transitions(key)])
        with self.assertRaisesRegex(JIRAError, "Invalid transition name"):
            self.jira.transition_issue(key, "Closed")
        self.refused(400, "not valid for the current state", self.jira.transition_issue, key, "31")

    def test_comments(self):
        comment = self.jira.add_comment(TICKET, "hello [~accountid:712020:demo-lead]")
        self.assertEqual(self.jira.comment(TICKET, comment.id).body, comment.body)
        comment.update(body="changed")
        self.assertIn("changed", [found.body for found in self.jira.comments(TICKET)])
        self.refused(404, "Issue does not exist", self.jira.add_comment, HIDDEN, "x")
        with self.assertRaises(JIRAError):
            self.jira.add_comment(TICKET, "")

    def test_editing(self):
        bug = self.jira.issue("OCPBUGS-61011")
        bug.update(fields={"labels": ["a"], "customfield_10482": [{"accountId": "712020:demo-lead"}]})
        bug.update(update={"labels": [{"add": "b"}]})
        self.assertEqual(bug.fields.labels, ["a", "b"])
        self.assertEqual(bug.fields.customfield_10482[0].displayName, "Demo Lead")
        self.refused(400, "cannot be set", bug.update, fields={"status": {"name": "Closed"}})
        self.refused(400, "spaces", bug.update, fields={"labels": ["two words"]})

    def test_creating(self):
        project = self.jira.project("CVP")
        made = self.jira.create_issue(
            project={"id": project.id},
            summary="[4.14.60] made up",
            description="text",
            issuetype={"name": "Bug"},
            priority={"name": "Blocker"},
        )
        self.assertEqual((made.fields.priority.name, made.fields.status.name), ("Blocker", "To Do"))
        self.refused(400, "issue type", self.jira.create_issue, project="CVP", summary="x", issuetype={"name": "Epic"})
        with self.assertRaises(JIRAError):
            self.jira.project("NONE")

    def test_issue_properties(self):
        key = "OCPBUGS-61011"
        bug = self.jira.issue(key)
        # 201 for whoever creates it, 200 for everybody else.
        first = self.jira.add_issue_property(key, "honesty.claim.0", {"by": "one"})
        second = self.jira.add_issue_property(key, "honesty.claim.0", {"by": "other"})
        self.assertEqual((first.status_code, second.status_code), (201, 200))
        self.assertIn("honesty.claim.0", [found.key for found in self.jira.issue_properties(bug)])
        found = self.jira.issue_property(key, "honesty.claim.0")
        self.assertEqual((found.key, found.value.by), ("honesty.claim.0", "other"))
        shown = self.jira._get_json(f"issue/{key}", params={"fields": "status", "properties": "*all"})
        self.assertEqual(shown["properties"]["honesty.claim.0"], {"by": "other"})
        self.assertNotIn("properties", self.jira._get_json(f"issue/{key}", params={"fields": "status"}))
        found.delete()
        self.refused(404, "does not exist", self.jira.issue_property, key, "honesty.claim.0")
        made = self.jira.add_issue_property(key, "honesty.claim.0", 1)
        self.assertEqual(made.status_code, 201)

    def test_issue_properties_that_are_refused(self):
        add = self.jira.add_issue_property
        self.refused(400, "32768", add, TICKET, "honesty.long", "x" * 32768)
        self.refused(400, "255", add, TICKET, "x" * 256, 1)
        self.refused(404, "Issue does not exist", add, HIDDEN, "honesty", 1)
        reader = client(tuple(support.setting("HONESTY_JIRA_READER").split(":")))
        self.refused(403, "permission", reader.add_issue_property, TICKET, "honesty", 1)
        self.refused(404, "does not exist", self.jira.issue_property, TICKET, "honesty")

    def histories(self, **asked):
        url = f"{support.setting('OAR_ENDPOINT_JIRA')}/rest/api/2/changelog/bulkfetch"
        return self.jira._session.post(url, data=json.dumps(asked)).json()

    def test_histories_of_many_issues(self):
        number = self.jira.issue("OCPBUGS-60011").id
        issues = ["OCPBUGS-60010", number, "OCPBUGS-1", HIDDEN]
        answer = self.histories(issueIdsOrKeys=issues, fieldIds=["status"])
        # Issues are named by their numbers; what is absent or hidden is left out.
        logs = {log["issueId"]: log["changeHistories"] for log in answer["issueChangeLogs"]}
        self.assertEqual(set(logs), {self.jira.issue("OCPBUGS-60010").id, number})
        self.assertNotIn("nextPageToken", answer)
        entry = logs[number][-1]
        self.assertEqual((entry["items"][0]["fieldId"], entry["items"][0]["toString"]), ("status", "ON_QA"))
        # Milliseconds, while all other answers write times as text.
        alone = self.jira.issue(number, expand="changelog").changelog.histories[0]
        written = datetime.strptime(alone.created, "%Y-%m-%dT%H:%M:%S.%f%z")
        self.assertEqual(entry["created"], int(written.timestamp() * 1000))
        for refused, text in [
            ({"issueIdsOrKeys": []}, "between 1 and 1000"),
            ({"issueIdsOrKeys": issues, "fieldIds": [f"f{place}" for place in range(11)]}, "10"),
            ({"issueIdsOrKeys": issues, "maxResults": 0}, "10000"),
            ({"issueIdsOrKeys": issues, "nextPageToken": "x"}, "token"),
        ]:
            self.refused(400, text, self.histories, **refused)

    def test_long_histories_are_cut_inside_an_issue_and_whole_in_pages(self):
        key = "OCPBUGS-61021"
        bug = self.jira.issue(key)
        before = len(self.jira._get_json(f"issue/{key}/changelog")["values"])
        for number in range(45):
            bug.update(update={"labels": [{"add" if number % 2 == 0 else "remove": "honesty"}]})
            time.sleep(PAUSE)
        bug.update(fields={"customfield_10482": [{"accountId": "712020:demo-lead"}]})
        shown = self.jira.issue(key, expand="changelog").changelog
        self.assertEqual((len(shown.histories), shown.total), (40, before + 46))
        self.assertEqual(shown.histories[0].items[0].field, "Need Info From", "the newest first")
        pages, start = [], 0
        while not pages or not pages[-1]["isLast"]:
            pages.append(self.jira._get_json(f"issue/{key}/changelog", params={"startAt": start, "maxResults": 20}))
            start += len(pages[-1]["values"])
        self.assertEqual(start, before + 46)
        self.assertEqual(pages[-1]["values"][-1]["items"][0]["field"], "Need Info From", "the oldest first")
        logs, asked = [], {"issueIdsOrKeys": [key], "fieldIds": ["labels"], "maxResults": 30}
        while True:
            answer = self.histories(**asked)
            logs += [entry for log in answer["issueChangeLogs"] for entry in log["changeHistories"]]
            if "nextPageToken" not in answer:
                break
            asked["nextPageToken"] = answer["nextPageToken"]
        self.assertEqual(len(logs), 45, "every change of this field, in two pages")
        self.assertEqual({item["fieldId"] for entry in logs for item in entry["items"]}, {"labels"})

    def test_writes_to_one_issue_are_limited_by_key_and_id_together(self):
        issue = self.jira.issue("OCPBUGS-61040")
        with self.assertRaises(JIRAError) as caught:
            for number in range(101):
                self.jira.add_issue_property(issue.key if number % 2 else issue.id, "honesty", number)
        response = caught.exception.response
        self.assertEqual((response.status_code, response.headers["ratelimit-reason"]), (429, "jira-per-issue-on-write"))
        self.assertIn(int(response.headers["retry-after"]), range(1, 31))

    def test_comments_are_cut_inside_an_issue_and_whole_in_pages(self):
        key = "OCPBUGS-61010"
        before = len(self.jira.comments(key))
        for number in range(25):
            self.jira.add_comment(key, f"number {number} for [~accountId:712020:demo-lead]")
            time.sleep(PAUSE)
        shown = self.jira.issue(key, fields="comment").fields.comment
        self.assertEqual((len(shown.comments), shown.total), (20, before + 25))
        # The newest of them, and mentions in lower case.
        self.assertEqual(shown.comments[-1].body, "number 24 for [~accountid:712020:demo-lead]")
        found = self.jira.enhanced_search_issues(f"key = {key}", fields="comment", maxResults=1)
        self.assertEqual(len(found[0].fields.comment.comments), 20)
        self.assertEqual(len(self.jira.comments(key)), before + 25)
        newest = self.jira._get_json(f"issue/{key}/comment", params={"orderBy": "-created", "maxResults": 2})
        self.assertEqual([comment["body"][:9] for comment in newest["comments"]], ["number 24", "number 23"])
        self.assertEqual(newest["total"], before + 25)

    def test_searching_page_by_page(self):
        found = self.jira.enhanced_search_issues("project = OCPBUGS ORDER BY key", maxResults=0, fields="summary,comment")
        self.assertEqual(len(found), 10)
        page = self.jira.enhanced_search_issues("project = OCPBUGS", maxResults=4, json_result=True)
        self.assertEqual((len(page["issues"]), page["isLast"]), (4, False))
        second = self.jira.enhanced_search_issues(
            "project = OCPBUGS", maxResults=4, json_result=True, nextPageToken=page["nextPageToken"]
        )
        self.assertEqual({issue["id"] for issue in page["issues"]} & {issue["id"] for issue in second["issues"]}, set())

    def test_the_notificators_query(self):
        jql = (
            "project = OCPBUGS AND issuetype in (Bug, Vulnerability) AND status = ON_QA "
            "AND 'Target Version' in (4.18.z, 4.19.z) AND status changed to ON_QA after 2026-06-01"
        )
        found = self.jira.enhanced_search_issues(jql, expand="changelog", maxResults=100, use_post=True)
        self.assertEqual({issue.key for issue in found}, {"OCPBUGS-60010", "OCPBUGS-60011"})
        self.assertEqual(found[0].changelog.histories[0].items[0].field, "status")

    def test_queries_that_are_refused(self):
        search = self.jira.enhanced_search_issues
        self.refused(400, "does not exist for the field", search, "project = NONE")
        self.refused(400, "Error in the JQL Query", search, "colour = red")
        self.refused(400, "OCPBUGS-60999", search, f"key = {HIDDEN}")

    def test_searching_by_key(self):
        fields = "status,customfield_10470,customfield_10978"
        found = self.jira.enhanced_search_issues(
            "key in (OCPBUGS-60010, OCPBUGS-60011)", fields=fields, maxResults=100, use_post=True
        )
        self.assertEqual({issue.key for issue in found}, {"OCPBUGS-60010", "OCPBUGS-60011"})
        self.assertTrue(all(hasattr(issue.fields, "customfield_10978") for issue in found))

    def test_one_unknown_or_hidden_key_refuses_the_whole_search(self):
        for key in ("OCPBUGS-1", HIDDEN):
            message = f"An issue with key '{key}' does not exist for field 'key'."
            jql = f"key in (OCPBUGS-60010, {key})"
            self.refused(400, message, self.jira.enhanced_search_issues, jql, use_post=True)

    def bulk(self, keys, **more):
        url = f"{support.setting('OAR_ENDPOINT_JIRA')}/rest/api/2/issue/bulkfetch"
        return self.jira._session.post(url, data=json.dumps({"issueIdsOrKeys": keys, **more})).json()

    def test_many_issues_by_key(self):
        answer = self.bulk(["OCPBUGS-61011", "ocpbugs-60010", "ART-1", HIDDEN], fields=["status"])
        # By number; what is hidden is left out silently.
        self.assertEqual([issue["key"] for issue in answer["issues"]], ["OCPBUGS-60010", "OCPBUGS-61011"])
        self.assertEqual(answer["issueErrors"], [])
        self.assertEqual(list(answer["issues"][0]["fields"]), ["status"])
        self.refused(400, "between 1 and 100", self.bulk, [f"OCPBUGS-{number}" for number in range(1, 102)])

    def test_a_moved_issue_answers_to_its_old_key_with_its_new_one(self):
        before = self.jira.issue("OCPBUGS-61020").id
        support.change("jira", "move", issue="OCPBUGS-61020", to="CORENET-12")
        self.addCleanup(support.change, "jira", "move", issue="CORENET-12", to="OCPBUGS-61020")
        moved = self.jira.issue("OCPBUGS-61020")
        self.assertEqual((moved.key, moved.id), ("CORENET-12", before))
        found = self.jira.enhanced_search_issues("key in (OCPBUGS-61020)", fields="status", maxResults=10)
        self.assertEqual([issue.key for issue in found], ["CORENET-12"])
        answer = self.bulk(["OCPBUGS-61020", "CORENET-12"])
        self.assertEqual([(issue["key"], issue["id"]) for issue in answer["issues"]], [("CORENET-12", before)])

    def test_who_may_not_browse_users_finds_nobody(self):
        reader = client(tuple(support.setting("HONESTY_JIRA_READER").split(":")))
        self.assertEqual(reader.search_users(query="demo-lead"), [])

    def test_portal_accounts_are_found_beside_people(self):
        found = self.jira.search_users(query="second-lead@example.com")
        self.assertEqual([user.accountType for user in found], ["atlassian", "customer"])

    def test_the_old_search_is_gone(self):
        self.refused(410, "removed", self.jira._get_json, "search", params={"jql": "project = ART"})

    def test_fields_and_links(self):
        names = {field["id"]: field["name"] for field in self.jira.fields()}
        self.assertEqual(names["customfield_10470"], "QA Contact")
        self.assertEqual(self.jira.remote_links(TICKET), [])

    def test_a_wrong_token(self):
        wrong = client((support.setting("JIRA_USERNAME"), "wrong"))
        self.refused(401, "authenticated", wrong.issue, TICKET)
        support.change("jira", "bad-token", mode="anonymous")
        self.addCleanup(support.change, "jira", "bad-token", mode="refused")
        self.refused(404, "Issue does not exist", wrong.issue, TICKET)

    def test_who_only_reads(self):
        reader = client(tuple(support.setting("HONESTY_JIRA_READER").split(":")))
        self.assertEqual(reader.issue(TICKET).key, TICKET)
        self.assertEqual(reader.transitions("ART-14192"), [])
        url = f"{support.setting('OAR_ENDPOINT_JIRA')}/rest/api/latest/issue/ART-14192/assignee"
        self.refused(403, "permission", reader._session.put, url, data='{"accountId": "712020:demo-lead"}')
        self.refused(403, "permission", reader.add_comment, TICKET, "x")

    def test_the_burst_limit(self):
        support.change("jira", "rate-limit", allow=0, refuse=1, retry_after=9)
        with self.assertRaises(JIRAError) as caught:
            self.jira.issue(TICKET)
        self.assertEqual(caught.exception.status_code, 429)
        self.assertEqual(caught.exception.response.headers["Retry-After"], "9")
        self.assertEqual(self.jira.issue(TICKET).key, TICKET)


if __name__ == "__main__":
    unittest.main()
