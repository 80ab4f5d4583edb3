"""The Errata Tool through errata-tool, whose Negotiate tokens the MIT library makes from the sandbox's tickets."""

import contextlib
import io
import unittest

import requests
from errata_tool import Erratum, ErrataConnector, ErrataException
from errata_tool.build import Build

import support


class Errata(unittest.TestCase):
    def setUp(self):
        ErrataConnector._url = support.setting("OAR_ENDPOINT_ERRATA")

    def load(self, number):
        return Erratum(errata_id=number)

    def view(self, number):
        return support.snapshot("errata")["advisories"][str(number)]

    def test_an_advisory_is_loaded(self):
        advisory = self.load(150001)
        self.assertEqual((advisory.errata_id, advisory.errata_state), (150001, "QE"))
        self.assertEqual((advisory.errata_type, advisory.content_types), ("RHBA", ["rpm"]))
        self.assertIn("@", advisory.qe_email)
        self.assertEqual(len(advisory.jira_issues), 2)
        self.assertEqual(sum(len(builds) for builds in advisory.errata_builds.values()), 2)
        self.assertFalse(advisory.embargoed)
        self.assertEqual(advisory.publish_date_override, "2026-Jul-07")

    def test_a_security_advisory_is_loaded(self):
        advisory = self.load(140004)
        self.assertEqual((advisory.errata_type, advisory.security_impact), ("RHSA", "Moderate"))
        self.assertTrue(advisory.synopsis.startswith("Moderate: "))
        self.assertEqual(advisory.cve_names, "CVE-2026-1000 CVE-2026-1001")

    def test_every_state_is_read(self):
        states = {number: self.load(number).errata_state for number in (150002, 140003, 140005)}
        self.assertEqual(states, {150002: "NEW_FILES", 140003: "DROPPED_NO_SHIP", 140005: "QE"})

    def test_an_owner_is_changed_and_read_back(self):
        advisory = self.load(150003)
        issues = set(advisory.jira_issues)
        advisory.update(qe_email="second-lead@example.com")
        self.assertTrue(advisory.commit())
        self.assertEqual(self.load(150003).qe_email, "second-lead@example.com")
        self.assertEqual(set(self.load(150003).jira_issues), issues)
        edits = self.view(150003)["edits"]
        self.assertEqual(edits["assigned_to_email"], {"sent": 1, "changed": 1})
        # The official client sends every field; only this one became another.
        self.assertEqual([name for name, count in edits.items() if count["changed"]], ["assigned_to_email"])

    def test_an_unknown_owner_is_refused(self):
        advisory = self.load(140005)
        advisory.update(qe_email="nobody@example.com")
        with self.assertRaisesRegex(ErrataException, "140005.*nobody@example.com"):
            advisory.commit()
        self.assertEqual(self.view(140005)["edits"], {})

    def test_a_security_advisory_keeps_its_title(self):
        advisory = self.load(140004)
        before = advisory.synopsis
        advisory.update(qe_email="demo-lead@example.com")
        advisory.commit()
        self.assertEqual(self.load(140004).synopsis, before)

    def test_issues_are_replaced(self):
        advisory = self.load(140002)
        removed = advisory.jira_issues[0]
        advisory.removeJIRAIssues([removed])
        advisory.commit()
        self.assertNotIn(removed, self.load(140002).jira_issues)

    def test_an_issue_of_another_advisory_is_refused(self):
        foreign = self.load(150001).jira_issues[0]
        advisory = self.load(140005)
        advisory.addJiraIssues([foreign])
        # The client first calls a page that the sandbox does not have, and does not look at the answer.
        with self.assertRaisesRegex(ErrataException, foreign):
            advisory.commit()

    def test_the_state_changes_after_the_staging_push(self):
        advisory = self.load(140001)
        advisory.setState("REL_PREP")
        with self.assertRaisesRegex(ErrataException, "Staging push"):
            advisory.commit()
        jobs = self.load(140001).push("stage")
        self.assertEqual([job["target"]["name"] for job in jobs], ["cdn_stage"])
        support.change("errata", "finish-pushes", status="COMPLETE")
        advisory = self.load(140001)
        advisory.setState("REL_PREP")
        self.assertTrue(advisory.commit())
        self.assertEqual(self.load(140001).errata_state, "REL_PREP")

    def test_a_push_of_a_dependent_advisory_is_refused(self):
        with self.assertRaisesRegex(ErrataException, "dependencies"):
            self.load(140004).push("stage")

    def test_a_push_goes_on_as_scripted(self):
        support.change("errata", "script-push", advisory=140005, ends="POST_PUSH_FAILED")
        first = self.load(140005).push("stage")
        self.assertEqual([job["status"] for job in first], ["READY"])
        support.control("POST", "clock", {"advance_seconds": 300})
        statuses = [job["status"] for job in self.load(140005)._get("/api/v1/erratum/140005/push")]
        self.assertEqual(statuses, ["POST_PUSH_FAILED"])
        # An optional task after the push failed; the push itself is there and is not redone.
        self.assertEqual(self.load(140005).push("stage"), [])

    def test_a_blocking_advisory_is_named(self):
        support.change("errata", "set-blocking", advisory=140005, blocking=[140001])
        self.addCleanup(support.change, "errata", "set-blocking", advisory=140005, blocking=[])
        view = self.load(140005)._get("/api/v1/erratum/140005")
        self.assertEqual(view["errata"]["rhba"]["blocking_advisories"], [140001])

    def test_one_issue_is_removed_without_the_others(self):
        connector = ErrataConnector()
        first, second = self.load(150003).jira_issues
        answer = connector._post("/api/v1/erratum/150003/remove_jira_issue", data={"jira_issue": first})
        self.assertEqual(answer.status_code, 201)
        self.assertEqual(list(self.load(150003).jira_issues), [second])
        # It is known and not attached any more: a success without a change.
        answer = connector._post("/api/v1/erratum/150003/remove_jira_issue", data={"jira_issue": first})
        self.assertEqual(answer.status_code, 201)
        answer = connector._post("/api/v1/erratum/150003/remove_jira_issue", data={"jira_issue": "OCPBUGS-1"})
        self.assertEqual((answer.status_code, list(answer.json())), (400, ["error"]))

    def test_an_unknown_filter_of_tests_is_refused(self):
        answer = ErrataConnector()._get("/api/v1/external_tests/?filter[status]=PASSED")
        self.assertIn("data", answer)
        with self.assertRaises(ErrataException):
            ErrataConnector()._get("/api/v1/external_tests/?filter[colour]=red")

    def test_approvals_are_requested_with_one_field(self):
        connector = ErrataConnector()
        for field, value in (("text_ready", "1"), ("security_approved", "False")):
            answer = connector._put("/api/v1/erratum/140004", data={f"advisory[{field}]": value})
            self.assertIn(answer.status_code, (204, 422), field)

    def test_pushes_are_listed(self):
        jobs = self.load(150001)._get("/api/v1/erratum/150001/push")
        self.assertEqual(jobs, [])

    def test_external_tests_of_all_pages(self):
        tests = self.load(140002).externalTests(test_type="greenwave_cvp")
        self.assertEqual([test["attributes"]["status"] for test in tests], ["PASSED"])

    def test_a_build_knows_its_advisories(self):
        nvr = next(iter(self.load(150001).errata_builds.values()))[0]
        build = Build(nvr)
        self.assertEqual((build.all_errata_ids, build.signed_rpms), ([150001], True))

    def test_a_comment_is_added(self):
        answer = self.load(150001).addComment("hello")
        self.assertEqual(answer["errata"]["rhba"]["id"], 150001)

    def test_security_alerts_are_refreshed(self):
        connector = ErrataConnector()
        answer = connector._post("/api/v1/erratum/140004/security_alerts/refresh")
        self.assertEqual(answer.json()["alerts"]["blocking"], False)
        self.assertEqual(connector._post("/api/v1/erratum/150001/security_alerts/refresh").status_code, 422)

    def test_an_unknown_advisory_is_an_error(self):
        with contextlib.redirect_stdout(io.StringIO()) as said, self.assertRaises(ErrataException):
            self.load(999999)
        self.assertIn("999999", said.getvalue())

    def test_without_access_everything_is_refused(self):
        support.change("errata", "token-user", email="visitor@example.com")
        self.addCleanup(support.change, "errata", "token-user", email="bot@example.com")
        with self.assertRaisesRegex(ErrataException, "need Errata access"):
            self.load(150001)

    def test_without_a_ticket_the_server_challenges(self):
        url = f"{support.setting('OAR_ENDPOINT_ERRATA')}/api/v1/erratum/150001"
        answer = requests.put(url, data={"advisory[assigned_to_email]": "demo-lead@example.com"}, timeout=10)
        self.assertEqual((answer.status_code, answer.headers["WWW-Authenticate"]), (401, "Negotiate"))
        self.assertIn("html", answer.headers["Content-Type"])

    def test_a_token_works_once(self):
        url = f"{support.setting('OAR_ENDPOINT_ERRATA')}/api/v1/erratum/150001"
        first = requests.get(url, auth=ErrataConnector._auth, timeout=10)
        self.assertEqual(first.status_code, 200)
        self.assertTrue(first.headers["WWW-Authenticate"].startswith("Negotiate "))
        token = first.request.headers["Authorization"]
        again = requests.get(url, headers={"Authorization": token}, timeout=10)
        self.assertEqual(again.status_code, 401)


if __name__ == "__main__":
    unittest.main()
