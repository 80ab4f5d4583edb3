"""The hub under an XML-RPC client that others wrote: Python's own, called as Koji's client calls."""

import unittest
import urllib.error
import urllib.request
import xmlrpc.client

from support import change, setting

KERNEL = "kernel-5.14.0-570.12.1.el9_6"


class Hub(unittest.TestCase):
    def setUp(self):
        self.hub = xmlrpc.client.ServerProxy(setting("OAR_ENDPOINT_BREWHUB"), allow_none=True)

    def test_arguments_by_position(self):
        names = [tag["name"] for tag in self.hub.listTags(KERNEL)]
        self.assertIn("rhel-9.6.0-z", names)

    def test_named_arguments_in_kojis_encoding(self):
        tags = self.hub.listTags({"build": KERNEL, "__starstar": True})
        self.assertEqual({"arches", "id", "locked", "name", "perm", "perm_id"}, set(tags[0]))

    def test_a_tag_that_is_added_and_taken_away(self):
        change("brewhub", "tag", build=KERNEL, tag="early-kernel-stop-ship")
        self.assertIn("early-kernel-stop-ship", [tag["name"] for tag in self.hub.listTags(KERNEL)])
        change("brewhub", "untag", build=KERNEL, tag="early-kernel-stop-ship")
        self.assertNotIn("early-kernel-stop-ship", [tag["name"] for tag in self.hub.listTags(KERNEL)])

    def test_an_unknown_build_is_a_fault(self):
        with self.assertRaises(xmlrpc.client.Fault) as caught:
            self.hub.listTags("kernel-0-0")
        self.assertEqual(1000, caught.exception.faultCode)

    def test_an_outage_is_a_fault(self):
        change("brewhub", "offline", offline=True)
        try:
            with self.assertRaises(xmlrpc.client.Fault) as caught:
                self.hub.listTags(KERNEL)
            self.assertEqual(1014, caught.exception.faultCode)
        finally:
            change("brewhub", "offline", offline=False)

    def test_what_went_into_an_image(self):
        root = setting("OAR_ENDPOINT_BREWROOT")
        path = "packages/rhcos-x86_64/4.14.9.6.20260629/0/metadata.json"
        with urllib.request.urlopen(f"{root}/{path}", timeout=10) as answer:
            self.assertIn(b'"kernel"', answer.read())
        with self.assertRaises(urllib.error.HTTPError):
            urllib.request.urlopen(f"{root}/{path.replace('/0/', '/7/')}", timeout=10)


if __name__ == "__main__":
    unittest.main()
