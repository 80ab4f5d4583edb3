"""Slack through slack_sdk."""

import queue
import time
import unittest
import warnings

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.models.blocks import (
    ActionsBlock,
    ButtonElement,
    ContextBlock,
    HeaderBlock,
    MarkdownTextObject,
    SectionBlock,
)
from slack_sdk.socket_mode import SocketModeClient
from slack_sdk.socket_mode.response import SocketModeResponse
from websocket import create_connection

import support

CHANNEL = "#qe-demo"
PERSON = "demo-lead@example.com"


def client(token=None):
    address = support.setting("OAR_ENDPOINT_SLACK").rstrip("/") + "/"
    return WebClient(token=token or support.setting("SLACK_BOT_TOKEN"), base_url=address)


class Slack(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.slack = client()

    def refused(self, error, call, *arguments, **named):
        with self.assertRaises(SlackApiError) as caught:
            call(*arguments, **named)
        self.assertEqual(caught.exception.response["error"], error)

    def test_the_caller(self):
        self.assertTrue(self.slack.auth_test()["bot_id"])

    def test_a_person_by_address(self):
        user = self.slack.users_lookupByEmail(email=PERSON)["user"]
        self.assertEqual(user["profile"]["email"], PERSON)
        self.assertEqual(self.slack.users_info(user=user["id"])["user"]["name"], user["name"])
        self.refused("users_not_found", self.slack.users_lookupByEmail, email="nobody@example.com")
        self.refused("user_not_found", self.slack.users_info, user="U000000000")

    def test_groups(self):
        groups = {group["handle"]: group["id"] for group in self.slack.usergroups_list()["usergroups"]}
        self.assertIn("demo-leads-4-19", groups)
        self.assertNotIn("old-leads-demo", groups)

    def test_a_message_with_a_thread(self):
        posted = self.slack.chat_postMessage(channel=CHANNEL, text="hello <@U0000LEAD1>")
        answer = self.slack.chat_postMessage(channel=posted["channel"], text="more", thread_ts=posted["ts"])
        self.assertGreater(answer["ts"], posted["ts"])
        thread = self.slack.conversations_replies(channel=posted["channel"], ts=posted["ts"])["messages"]
        self.assertEqual([message["text"] for message in thread], ["hello <@U0000LEAD1>", "more"])
        history = self.slack.conversations_history(channel=posted["channel"])["messages"]
        self.assertIn(posted["ts"], [message["ts"] for message in history])
        self.assertNotIn(answer["ts"], [message["ts"] for message in history])

    def test_an_answer_that_the_channel_shows_as_well(self):
        posted = self.slack.chat_postMessage(channel=CHANNEL, text="hello")
        answer = self.slack.chat_postMessage(
            channel=posted["channel"], text="all", thread_ts=posted["ts"], reply_broadcast=True
        )
        history = self.slack.conversations_history(channel=posted["channel"])["messages"]
        found = next(message for message in history if message["ts"] == answer["ts"])
        self.assertEqual((found["subtype"], found["thread_ts"]), ("thread_broadcast", posted["ts"]))

    def test_a_message_with_blocks(self):
        blocks = [
            HeaderBlock(text="4.19.1"),
            SectionBlock(text=MarkdownTextObject(text="for <@U0000LEAD1>")),
            ContextBlock(elements=[MarkdownTextObject(text="small print")]),
        ]
        posted = self.slack.chat_postMessage(channel=CHANNEL, text="4.19.1", blocks=blocks)
        shown = [block["type"] for block in posted["message"]["blocks"]]
        self.assertEqual(shown, ["header", "section", "context"])

    def test_blocks_that_are_refused(self):
        long = {"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}
        wrong = {"type": "header", "text": {"type": "mrkdwn", "text": "x"}}
        for blocks in ([long], [wrong], [{"type": "section"}], [{"type": "nothing"}]):
            self.refused("invalid_blocks", self.slack.chat_postMessage, channel=CHANNEL, text="x", blocks=blocks)

    def test_a_thread_needs_its_first_message(self):
        self.refused("thread_not_found", self.slack.chat_postMessage, channel=CHANNEL, text="x", thread_ts="1.000000")

    def test_metadata_is_kept(self):
        metadata = {"event_type": "note", "event_payload": {"release": "4.19.1"}}
        posted = self.slack.chat_postMessage(channel=CHANNEL, text="hello", metadata=metadata)
        history = self.slack.conversations_history(channel=posted["channel"], include_all_metadata=True)
        found = next(message for message in history["messages"] if message["ts"] == posted["ts"])
        self.assertEqual(found["metadata"], metadata)

    def test_channels(self):
        channels = {channel["name"]: channel["id"] for channel in self.slack.conversations_list(limit=200)["channels"]}
        self.assertIn("qe-demo", channels)
        self.assertEqual(self.slack.conversations_info(channel=channels["qe-demo"])["channel"]["name"], "qe-demo")

    def test_the_bots_own_channels(self):
        names = {channel["name"] for channel in self.slack.users_conversations(limit=999)["channels"]}
        self.assertIn("qe-demo", names)
        self.assertNotIn("uninvited-demo", names)
        self.refused("invalid_limit", self.slack.users_conversations, limit=1000)
        self.refused("invalid_limit", self.slack.conversations_list, limit=1000)
        both = "public_channel,private_channel"
        self.refused("missing_scope", self.slack.users_conversations, types=both)

    def test_an_answer_to_a_deleted_message_stands_in_the_channel(self):
        posted = self.slack.chat_postMessage(channel=CHANNEL, text="hello")
        support.change("slack", "delete", channel=CHANNEL, ts=posted["ts"])
        answer = self.slack.chat_postMessage(channel=CHANNEL, text="more", thread_ts=posted["ts"])
        self.assertNotIn("thread_ts", answer["message"])
        self.refused("thread_not_found", self.slack.conversations_replies, channel=posted["channel"], ts=posted["ts"])
        history = self.slack.conversations_history(channel=posted["channel"])["messages"]
        self.assertIn(answer["ts"], [message["ts"] for message in history])

    def test_metadata_that_is_refused_or_not_asked_for(self):
        metadata = {"event_type": "note", "event_payload": {"release": "4.19.1"}}
        posted = self.slack.chat_postMessage(channel=CHANNEL, text="hello", metadata=metadata)
        history = self.slack.conversations_history(channel=posted["channel"])["messages"]
        found = next(message for message in history if message["ts"] == posted["ts"])
        self.assertEqual(found["metadata"], {"event_type": "note"})
        error = "metadata_must_be_sent_from_app"
        support.change("slack", "limits", refuses_metadata=error)
        self.refused(error, self.slack.chat_postMessage, channel=CHANNEL, text="hello", metadata=metadata)
        support.change("slack", "limits", refuses_metadata="")

    def test_blocks_that_are_too_long_together(self):
        blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3000}}] * 5
        self.refused("msg_blocks_too_long", self.slack.chat_postMessage, channel=CHANNEL, text="x", blocks=blocks)

    def test_a_channel_that_lets_only_some_people_post(self):
        support.change("slack", "channel", name="read-only-demo", refuses="restricted_action_read_only_channel")
        call = self.slack.chat_postMessage
        self.refused("restricted_action_read_only_channel", call, channel="#read-only-demo", text="x")

    def test_messages_that_are_refused(self):
        self.refused("channel_not_found", self.slack.chat_postMessage, channel="#none", text="x")
        self.refused("not_in_channel", self.slack.chat_postMessage, channel="#uninvited-demo", text="x")
        self.refused("is_archived", self.slack.chat_postMessage, channel="#closed-demo", text="x")
        warnings.simplefilter("ignore", UserWarning)
        self.refused("no_text", self.slack.chat_postMessage, channel=CHANNEL, text="")

    def test_a_wrong_token(self):
        self.refused("invalid_auth", client("xoxb-wrong").auth_test)

    def test_a_token_with_few_scopes(self):
        narrow = client(support.setting("HONESTY_SLACK_NARROW_TOKEN"))
        self.assertTrue(narrow.chat_postMessage(channel=CHANNEL, text="x")["ok"])
        self.refused("missing_scope", narrow.users_lookupByEmail, email=PERSON)
        self.refused("missing_scope", narrow.usergroups_list)

    def test_the_rate_limit(self):
        support.fault("slack", {"type": "rate_limited", "retry_after": 4})
        with self.assertRaises(SlackApiError) as caught:
            self.slack.auth_test()
        self.assertEqual(caught.exception.response.status_code, 429)
        self.assertEqual(caught.exception.response.headers["Retry-After"], "4")

    def test_a_file(self):
        posted = self.slack.chat_postMessage(channel=CHANNEL, text="output")
        self.slack.files_upload_v2(
            channel=posted["channel"], thread_ts=posted["ts"], filename="output.txt", content="all lines"
        )
        file = support.snapshot("slack")["files"][-1]
        self.assertEqual((file["content"], file["thread_ts"]), ("all lines", posted["ts"]))

    def test_changes_of_a_message(self):
        posted = self.slack.chat_postMessage(channel=CHANNEL, text="working")
        place = {"channel": posted["channel"], "ts": posted["ts"]}
        self.assertEqual(self.slack.chat_update(text="done", **place)["text"], "done")
        self.refused("msg_too_long", self.slack.chat_update, text="x" * 4001, **place)
        reaction = {"channel": posted["channel"], "timestamp": posted["ts"], "name": "eyes"}
        self.assertTrue(self.slack.reactions_add(**reaction)["ok"])
        self.refused("already_reacted", self.slack.reactions_add, **reaction)

    def test_the_members_of_a_group(self):
        groups = {group["handle"]: group["id"] for group in self.slack.usergroups_list()["usergroups"]}
        leads = self.slack.usergroups_users_list(usergroup=groups["demo-leads-4-19"])["users"]
        self.assertIn("U0000LEAD1", leads)
        self.refused("no_such_subteam", self.slack.usergroups_users_list, usergroup="S000000000")


class SocketMode(unittest.TestCase):
    """A session of the official client: what comes is put into a queue, and acknowledged where the test wants it."""

    def setUp(self):
        self.slack = client()
        self.requests = queue.Queue()
        self.acknowledges = True
        # It notices a connection on which nothing comes any more after four pings.
        self.socket = SocketModeClient(app_token=support.setting("SLACK_APP_TOKEN"), web_client=client(), ping_interval=1)
        self.socket.socket_mode_request_listeners.append(self.received)
        support.change("slack", "sockets", acknowledged_within=60, redelivered_after=[0, 0.2, 600])
        self.socket.connect()
        self.addCleanup(self.socket.close)
        # What the bot itself posted before is told to nobody.
        while not support.snapshot("slack")["sockets"]["open"]:
            time.sleep(0.05)

    def received(self, socket, request):
        # Acknowledged first, so that nothing of a test that has ended comes again in the next one.
        if self.acknowledges:
            socket.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))
        self.requests.put(request)

    def next(self, ts):
        """What comes next of a message: the tests before may have left events of others."""
        while True:
            request = self.requests.get(timeout=30)
            message = request.payload.get("event") or request.payload.get("message") or {}
            if message.get("ts") == ts:
                return request

    def until(self, holds):
        """Waits for something that certainly comes; the limit only ends a test that fails."""
        end = time.monotonic() + 120
        while not holds():
            self.assertLess(time.monotonic(), end, "it never came")
            time.sleep(0.05)

    def open(self):
        return support.snapshot("slack")["sockets"]["open"]

    def say(self, text, **more):
        return support.change("slack", "message", channel=CHANNEL, text=text, user="U0000LEAD1", **more)

    def test_both_forms_of_a_mention_in_either_order(self):
        for number, mention_first in enumerate((False, True, False, True)):
            text, gesture = "<@U0000BOT01> oar -r 4.19.1 status", f"a-{number}"
            said = self.say(text, mention_first=mention_first, client_msg_id=gesture)
            requests = [self.next(said["ts"]), self.next(said["ts"])]
            self.assertEqual([request.type for request in requests], ["events_api", "events_api"])
            events = [request.payload["event"] for request in requests]
            self.assertEqual({event["type"] for event in events}, {"message", "app_mention"})
            self.assertEqual({event["ts"] for event in events}, {said["ts"]})
            self.assertEqual({event["client_msg_id"] for event in events}, {gesture})
            self.assertEqual(len({request.payload["event_id"] for request in requests}), 2)
            # The client hands on what comes side by side; in which order it was sent, Slack's side knows.
            kinds = {request.envelope_id: request.payload["event"]["type"] for request in requests}
            sent = [one["envelope_id"] for one in support.snapshot("slack")["sockets"]["deliveries"]]
            order = [kinds[envelope] for envelope in sent if envelope in kinds]
            self.assertEqual(order[0] == "app_mention", mention_first)

    def test_what_is_not_acknowledged_comes_again(self):
        self.acknowledges = False
        support.change("slack", "sockets", acknowledged_within=0.2)
        said = self.say("oar -r 4.19.1 status")
        first = self.next(said["ts"])
        self.acknowledges = True
        second = self.next(said["ts"])
        self.assertEqual((first.retry_attempt, second.retry_attempt), (0, 1))
        self.assertEqual(second.retry_reason, "timeout")
        self.assertEqual(first.payload["event_id"], second.payload["event_id"])
        self.assertNotEqual(first.envelope_id, second.envelope_id)

    def test_what_one_socket_does_not_acknowledge_comes_on_another(self):
        support.change("slack", "sockets", acknowledged_within=0.2, redelivered_after=[0, 0.2, 0.2, 0.2, 600])
        silent = queue.Queue()
        other = SocketModeClient(app_token=support.setting("SLACK_APP_TOKEN"), web_client=client())
        other.socket_mode_request_listeners.append(lambda _, request: silent.put(request))
        other.connect()
        self.addCleanup(other.close)
        self.until(lambda: len(self.open()) == 2)
        # Each event goes to any one of the sockets: after a few messages one went to the silent one.
        for _ in range(10):
            said = self.say("oar -r 4.19.1 status")
            again = self.next(said["ts"])
            if again.retry_attempt > 0:
                break
        first = silent.get(timeout=30)
        while first.payload["event_id"] != again.payload["event_id"]:
            first = silent.get(timeout=30)
        self.assertEqual((first.retry_attempt, again.retry_attempt, again.retry_reason), (0, 1, "timeout"))
        self.assertEqual(first.payload["event"], again.payload["event"])
        self.assertNotEqual(first.envelope_id, again.envelope_id)
        deliveries = support.snapshot("slack")["sockets"]["deliveries"]
        of_event = [one for one in deliveries if one["event_id"] == again.payload["event_id"]]
        self.assertEqual([one["acknowledged"] for one in of_event], [False, True])
        self.assertEqual(len({one["socket"] for one in of_event}), 2)

    def test_events_that_slack_leaves_out_are_an_envelope_without_an_event(self):
        support.change("slack", "sockets", rate_limited=True)
        request = self.requests.get(timeout=30)
        while request.payload["type"] != "app_rate_limited":
            request = self.requests.get(timeout=30)
        self.assertEqual((request.type, request.retry_attempt), ("events_api", 0))
        self.assertNotIn("event", request.payload)

        def is_acknowledged():
            deliveries = support.snapshot("slack")["sockets"]["deliveries"]
            return any(one["acknowledged"] for one in deliveries if one["envelope_id"] == request.envelope_id)

        self.until(is_acknowledged)

    def test_a_connection_that_stays_open_after_the_close(self):
        # Nobody closes the TCP connection after the closing handshake: this client does not wait for that.
        support.change("slack", "sockets", lingers=True)
        self.assertNotEqual(self.open(), [])
        self.socket.close()
        self.until(lambda: self.open() == [])

    def after_the_close(self, lingers):
        """What comes on a connection once the client closes it, and whether the connection has ended then."""
        support.change("slack", "sockets", lingers=lingers)
        address = self.slack.apps_connections_open(app_token=support.setting("SLACK_APP_TOKEN"))["url"]
        connection = create_connection(address, timeout=30)
        self.addCleanup(connection.shutdown)
        self.assertIn("hello", connection.recv())
        connection.send_close()
        connection.sock.settimeout(2)
        came = b""
        try:
            while part := connection.sock.recv(4096):
                came += part
        except TimeoutError:
            return came, False
        return came, True

    def test_who_ends_the_connection_after_the_close(self):
        self.addCleanup(support.change, "slack", "sockets", lingers=True)
        came, has_ended = self.after_the_close(lingers=True)
        self.assertIn(b"\x88", came, "the close of the other side")
        self.assertFalse(has_ended)
        _, has_ended = self.after_the_close(lingers=False)
        self.assertTrue(has_ended)

    def test_a_connection_that_freezes_is_replaced_and_its_events_come_again(self):
        support.change("slack", "sockets", acknowledged_within=1, redelivered_after=[1] * 12 + [600], frozen_for=15)
        before = self.open()
        support.change("slack", "sockets", freeze=True)
        said = self.say("into the void")
        request = self.next(said["ts"])
        self.assertGreater(request.retry_attempt, 0)
        deliveries = support.snapshot("slack")["sockets"]["deliveries"]
        sockets = [one["socket"] for one in deliveries if one["event_id"] == request.payload["event_id"]]
        self.assertIn(sockets[0], before)
        self.assertNotIn(sockets[-1], before)
        # It takes nothing of the next test.
        self.until(lambda: not set(before) & set(self.open()))

    def test_a_click(self):
        blocks = [ActionsBlock(block_id="plan", elements=[ButtonElement(text="Approve", action_id="approve", value="1")])]
        posted = self.slack.chat_postMessage(channel=CHANNEL, text="plan", blocks=blocks)
        self.assertEqual(self.next(posted["ts"]).payload["event"]["bot_id"], posted["message"]["bot_id"])
        place = {"channel": posted["channel"], "ts": posted["ts"]}
        support.change("slack", "click", user="U0000LEAD1", action_id="approve", **place)
        request = self.next(posted["ts"])
        self.assertEqual((request.type, request.payload["type"]), ("interactive", "block_actions"))
        self.assertEqual(request.payload["actions"][0]["value"], "1")

    def test_a_socket_that_is_to_be_replaced(self):
        for reason in ("refresh_requested", "warning"):
            before = self.open()
            support.change("slack", "sockets", disconnect=reason)
            self.until(lambda: len(self.open()) == 1 and self.open() != before)
            said = self.say(f"still here after {reason}")
            self.assertEqual(self.next(said["ts"]).payload["event"]["text"], f"still here after {reason}")

    def test_tokens_that_open_nothing(self):
        for token, error in [("xapp-wrong", "invalid_auth"), (support.setting("SLACK_BOT_TOKEN"), "not_allowed_token_type")]:
            with self.assertRaises(SlackApiError) as caught:
                client(token).apps_connections_open(app_token=token)
            self.assertEqual(caught.exception.response["error"], error)


if __name__ == "__main__":
    unittest.main()
