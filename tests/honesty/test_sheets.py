"""Google Sheets and Google's token service under gspread and google-auth, the clients that the reference uses."""

import json
import os
import tempfile
import unittest

import gspread
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth.exceptions import RefreshError
from google.auth.transport.requests import AuthorizedSession
from google.oauth2.service_account import Credentials
from requests.adapters import HTTPAdapter

from support import change, setting

SPREADSHEET = "1ExampleSpreadsheetForTheReleaseReports_4-14"
SHEETS = "https://www.googleapis.com/auth/spreadsheets"
SCOPES = ["https://spreadsheets.google.com/feeds", "https://www.googleapis.com/auth/drive"]
OLD_RELEASE = "4.14.58"


class ToSandbox(HTTPAdapter):
    """Leads requests for Google Sheets to the sandbox; the client knows only the real address."""

    def send(self, request, **options):
        real = "https://sheets.googleapis.com"
        request.url = request.url.replace(real, setting("OAR_ENDPOINT_GOOGLE_SHEETS"), 1)
        return super().send(request, **options)


def client(scopes=None, key_file=None):
    """A gspread client that is signed in with the key file that programs get."""
    key_file = key_file or setting("GCP_SA_FILE")
    credentials = Credentials.from_service_account_file(key_file, scopes=scopes or SCOPES)
    session = AuthorizedSession(credentials)
    session.mount("https://sheets.googleapis.com", ToSandbox())
    return gspread.Client(auth=credentials, session=session)


class Worksheets(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        change("sheets", "set-quota", per_minute=1000)

    def setUp(self):
        self.spreadsheet = client().open_by_key(SPREADSHEET)

    def copy(self):
        """A sheet of this test's own."""
        template = self.spreadsheet.worksheet("template")
        sheet = self.spreadsheet.duplicate_sheet(template.id, new_sheet_name=f"copy-{self.id().split('.')[-1]}")
        self.addCleanup(self.spreadsheet.del_worksheet, sheet)
        return sheet

    def test_a_worksheet_is_found_by_its_title(self):
        sheet = self.spreadsheet.worksheet(OLD_RELEASE)
        self.assertEqual((OLD_RELEASE, 1000), (sheet.title, sheet.row_count))
        self.assertTrue(self.spreadsheet.url.endswith(f"/d/{SPREADSHEET}"), self.spreadsheet.url)
        with self.assertRaises(gspread.WorksheetNotFound):
            self.spreadsheet.worksheet("4.14.5")

    def test_a_copy_has_the_cells_of_the_template_and_can_be_renamed(self):
        sheet = self.copy()
        self.assertEqual("Bugs to verify", sheet.acell("A9").value)
        sheet.update_title("renamed")
        self.assertIn("renamed", [sheet.title for sheet in self.spreadsheet.worksheets()])

    def test_a_title_is_taken_once(self):
        with self.assertRaises(gspread.exceptions.APIError) as caught:
            self.spreadsheet.add_worksheet("template", rows=5, cols=3)
        self.assertEqual(400, caught.exception.code)
        sheet = self.spreadsheet.add_worksheet("small", rows=5, cols=3)
        self.addCleanup(self.spreadsheet.del_worksheet, sheet)
        with self.assertRaises(gspread.exceptions.APIError) as caught:
            sheet.acell("A6")
        self.assertIn("exceeds grid limits", str(caught.exception))

    def test_cells_one_by_one(self):
        sheet = self.copy()
        sheet.update_acell("B9", "Pass")
        self.assertEqual("Pass", sheet.acell("B9").value)
        link = '=HYPERLINK("https://jira.example.test/browse/OCPBUGS-1","OCPBUGS-1")'
        sheet.update_acell("C8", link)
        self.assertEqual("OCPBUGS-1", sheet.acell("C8").value)
        self.assertEqual(link, sheet.acell("C8", value_render_option="FORMULA").value)
        self.assertIsNone(sheet.acell("C9").value)

    def test_blocks_and_columns(self):
        sheet = self.copy()
        sheet.batch_update(
            [{"range": "C8:E9", "values": [["OCPBUGS-1", "q", "ON_QA"], ["OCPBUGS-2"]]}, {"range": "B1", "values": [["Red"]]}],
            raw=False,
        )
        self.assertEqual(["Bug", "OCPBUGS-1", "OCPBUGS-2"], sheet.col_values(3)[6:])
        bugs, overall = sheet.batch_get(["C8:E", "B1"])
        self.assertEqual(([["OCPBUGS-1", "q", "ON_QA"], ["OCPBUGS-2"]], [["Red"]]), (bugs, overall))
        sheet.update([["a", "b"], ["c", "d"]], "H8", raw=True)
        self.assertEqual([["a", "b"], ["c", "d"]], sheet.get("H8:I"))
        sheet.append_row(["OCPBUGS-3"], table_range="C8:E9", value_input_option="USER_ENTERED")
        self.assertEqual("OCPBUGS-3", sheet.acell("C10").value)
        self.spreadsheet.values_clear(f"'{sheet.title}'!C8:C10")
        self.assertEqual(["Bug"], sheet.col_values(3)[6:])
        self.assertEqual("Red", sheet.get_all_values()[0][1])

    def test_a_text_with_links(self):
        sheet = self.copy()
        text = "rpm: 140001"
        runs = [{"startIndex": 0}, {"startIndex": 5, "format": {"link": {"uri": "https://errata.example.test/1"}}}]
        cell = {"userEnteredValue": {"stringValue": text}, "textFormatRuns": runs}
        place = {"sheetId": sheet.id, "startRowIndex": 1, "endRowIndex": 2, "startColumnIndex": 1, "endColumnIndex": 2}
        request = {"updateCells": {"range": place, "rows": [{"values": [cell]}], "fields": "*"}}
        self.spreadsheet.batch_update({"requests": [request]})
        self.assertEqual(text, sheet.acell("B2").value)

    def test_ranges_that_do_not_exist(self):
        for wrong in ["'4.14.99'!A1", "'template'!0:1"]:
            with self.assertRaises(gspread.exceptions.APIError) as caught:
                self.spreadsheet.values_get(wrong)
            self.assertEqual((400, "INVALID_ARGUMENT"), (caught.exception.code, caught.exception.error["status"]))

    def test_what_is_not_shared_or_not_there(self):
        with self.assertRaises(gspread.SpreadsheetNotFound):
            client().open_by_key("1NoSuchSpreadsheetNoSuchSpreadsheet")
        change("sheets", "unshare", spreadsheet=SPREADSHEET)
        try:
            with self.assertRaises(PermissionError):
                client().open_by_key(SPREADSHEET).worksheet("template")
        finally:
            change("sheets", "share", spreadsheet=SPREADSHEET, account=self.account())

    def test_a_quota(self):
        change("sheets", "set-quota", per_minute=1)
        try:
            with self.assertRaises(gspread.exceptions.APIError) as caught:
                for _ in range(3):
                    self.spreadsheet.fetch_sheet_metadata()
            self.assertEqual((429, "RESOURCE_EXHAUSTED"), (caught.exception.code, caught.exception.error["status"]))
        finally:
            change("sheets", "set-quota", per_minute=1000)

    @staticmethod
    def account():
        with open(setting("GCP_SA_FILE"), encoding="utf-8") as file:
            return json.load(file)["client_email"]


class SignIn(unittest.TestCase):
    def test_a_revoked_token_is_replaced(self):
        spreadsheet = client([SHEETS]).open_by_key(SPREADSHEET)
        change("google-oauth", "revoke-tokens")
        self.assertEqual("template", spreadsheet.worksheets()[0].title)

    def test_a_token_is_good_for_its_scopes_only(self):
        reader = client([f"{SHEETS}.readonly"]).open_by_key(SPREADSHEET).worksheet("template")
        with self.assertRaises(gspread.exceptions.APIError) as caught:
            reader.update_acell("B9", "Pass")
        self.assertEqual((403, "PERMISSION_DENIED"), (caught.exception.code, caught.exception.error["status"]))
        with self.assertRaises((gspread.exceptions.APIError, PermissionError)):
            client(["https://www.googleapis.com/auth/devstorage.read_only"]).open_by_key(SPREADSHEET).worksheets()

    def test_an_unknown_scope(self):
        with self.assertRaises(RefreshError) as caught:
            client(["https://example.test/auth/nothing"]).open_by_key(SPREADSHEET).worksheets()
        self.assertIn("invalid_scope", str(caught.exception))

    def test_a_key_that_is_not_the_accounts(self):
        with open(setting("GCP_SA_FILE"), encoding="utf-8") as file:
            key = json.load(file)
        other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        key["private_key"] = other.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "key.json")
            with open(path, "w", encoding="utf-8") as file:
                json.dump(key, file)
            with self.assertRaises(RefreshError) as caught:
                client(key_file=path).open_by_key(SPREADSHEET).worksheets()
        self.assertIn("Invalid JWT Signature", str(caught.exception))


if __name__ == "__main__":
    unittest.main()
