#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""paraclock export --listen: HTTP as it should be, and as it should not.
Usage: check_cli_export_http.py PARACLOCK"""
import concurrent.futures
import os
import socket
import sys
import time
import unittest

import cli
import exporter
from metrics import OpenMetrics, Prometheus

TOOL = sys.argv.pop(1)

PROMETHEUS = ("application/openmetrics-text;version=1.0.0,"
              "text/plain;version=0.0.4;q=0.5,*/*;q=0.1")
# export_http.c
CONNECTIONS = 16
PATIENCE_SEC = 15


def receive_all(client):
    """Until the server closes the connection."""
    got = b""
    try:
        while True:
            more = client.recv(65536)
            if not more:
                return got
            got += more
    except ConnectionResetError:
        return got


class Case(exporter.Case):
    tool = TOOL

    def setUp(self):
        super().setUp()
        self.process, self.port = self.listen("--dir", self.states)

    def scrape(self):
        """Also shows that the exporter is well."""
        status, headers, body = self.get(self.port, accept=PROMETHEUS)
        self.assertEqual(status, 200)
        self.assertEqual(headers["Content-Type"],
                         "application/openmetrics-text; version=1.0.0; "
                         "charset=utf-8")
        return OpenMetrics(body)

    def scrape_until(self, condition):
        """Returns the text for which the condition holds."""
        deadline = time.monotonic() + cli.HANGS_SEC
        while time.monotonic() < deadline:
            text = self.scrape()
            if condition(text):
                return text
            time.sleep(0.2)
        return self.fail("it never holds")


class Requests(Case):
    def test_clients_choose_the_format(self):
        new = self.scrape()
        for accept in (None, "*/*", "text/plain", "text/html;q=0.9,*/*;q=0.1"):
            status, headers, body = self.get(self.port, accept=accept)
            self.assertEqual(status, 200)
            self.assertEqual(headers["Content-Type"],
                             "text/plain; version=0.0.4; charset=utf-8")
            self.assertEqual(headers["Vary"], "Accept")
            old = Prometheus(body)
            self.assertEqual(old.names(), new.names())

    def test_a_connection_is_kept(self):
        client = self.connect(self.port)
        client.connect()
        address = client.sock.getsockname()
        for path in ("/metrics", "/", "/metrics", "/none", "/metrics?x=1"):
            client.request("GET", path)
            answer = client.getresponse()
            answer.read()
            self.assertEqual(answer.status, 404 if path == "/none" else 200)
            self.assertIsNotNone(client.sock, path)
            self.assertEqual(client.sock.getsockname(), address)

    def test_head_has_no_body(self):
        for path in ("/metrics", "/"):
            status, headers, body = self.get(self.port, path, "HEAD")
            self.assertEqual((status, body), (200, ""))
            self.assertGreater(int(headers["Content-Length"]), 100)

    def test_a_plain_page(self):
        status, headers, body = self.get(self.port, "/")
        self.assertEqual(status, 200)
        self.assertEqual(headers["Content-Type"], "text/html; charset=utf-8")
        self.assertIn('href="/metrics"', body)

    def test_nothing_else_is_there(self):
        for path in ("/x", "/metrics/", "//metrics", "/metrics/../etc/passwd",
                     "/Metrics", "/%2fmetrics", "/index.html", "*"):
            for method in ("GET", "POST"):
                status, _, body = self.get(self.port, path, method)
                self.assertEqual(status, 404, path)
                self.assertNotIn("<", body)

    def test_other_methods_are_refused(self):
        for path in ("/", "/metrics"):
            for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH",
                           "TRACE", "BREW", "get"):
                status, headers, _ = self.get(self.port, path, method)
                self.assertEqual(status, 405, method)
                self.assertEqual(headers["Allow"], "GET, HEAD")

    def test_two_requests_in_one_packet(self):
        client = self.connect_raw(self.port)
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
                       b"GET /none HTTP/1.1\r\nHost: a\r\n"
                       b"Connection: close\r\n\r\n")
        got = receive_all(client)
        self.assertEqual(got.count(b"HTTP/1.1 200"), 1)
        self.assertEqual(got.count(b"HTTP/1.1 404"), 1)

    def test_http_1_0(self):
        client = self.connect_raw(self.port)
        client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        head, _, body = receive_all(client).partition(b"\r\n\r\n")
        self.assertIn(b" 200 ", head.split(b"\r\n")[0])
        Prometheus(body.decode())

    def test_ipv6(self):
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError as error:
            self.skipTest(f"no IPv6: {error}")
        _, port = self.listen(address="[::1]:0")
        client = self.connect(port, "::1")
        client.request("GET", "/metrics")
        Prometheus(client.getresponse().read().decode())

    def test_only_the_loopback_address(self):
        process, port = self.listen(address="0")
        with open(f"/proc/{process.pid}/net/tcp", encoding="ascii") as table:
            local = [line.split()[1] for line in table]
        self.assertIn(f"0100007F:{port:04X}", local)
        self.assertNotIn(f"00000000:{port:04X}", local)

    def test_an_address_that_is_in_use(self):
        result = self.run_tool("export", "--listen", f":{self.port}")
        self.assertEqual(result.returncode, 1)
        self.assertEqual(len(result.stderr.splitlines()), 1)
        self.assertIn("in use", result.stderr)

    def test_a_signal_ends_it(self):
        client = self.connect_raw(self.port)
        client.sendall(b"GET /metr")
        self.process.terminate()
        self.assertEqual(self.process.wait(cli.HANGS_SEC), 0)
        self.assertEqual(self.process.stderr.read(), "")


class Strangers(Case):
    def test_what_is_no_request(self):
        for rubbish in (b"\r\n\r\n", b"\0" * 100, b"hello\r\n\r\n",
                        b"GET\r\n\r\n", b"GET /metrics\r\n\r\n",
                        b"GET /metrics HTTP/9.9\r\nHost: a\r\n\r\n",
                        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"):
            client = self.connect_raw(self.port)
            client.sendall(rubbish)
            client.shutdown(socket.SHUT_WR)
            self.assertNotIn(b"paraclock_build", receive_all(client)
                             if rubbish[:4] != b"GET " else b"")
        self.scrape()

    def test_huge_requests(self):
        for huge in (b"GET /" + b"x" * 10**6,
                     b"GET /metrics HTTP/1.1\r\nHost: a\r\nA: " +
                     b"x" * 10**6,
                     b"GET /metrics HTTP/1.1\r\nHost: a\r\n" +
                     b"".join(b"A%d: b\r\n" % i for i in range(10**5))):
            client = self.connect_raw(self.port)
            try:
                client.sendall(huge + b"\r\n\r\n")
            except (BrokenPipeError, ConnectionResetError):
                pass
            got = receive_all(client)
            self.assertNotIn(b" 200 ", got.split(b"\r\n")[0])
        self.scrape()

    def test_a_body_is_not_read(self):
        for head in (b"POST /metrics HTTP/1.1\r\nHost: a\r\n"
                     b"Content-Length: 1000000000000\r\n\r\n",
                     b"GET /metrics HTTP/1.1\r\nHost: a\r\n"
                     b"Transfer-Encoding: chunked\r\n\r\n"):
            client = self.connect_raw(self.port)
            client.sendall(head)
            got = receive_all(client)
            self.assertTrue(got.startswith(b"HTTP/1.1 "), got[:99])
            self.assertIn(b"Connection: close", got)
        self.scrape()

    def test_a_slow_client_holds_up_nobody(self):
        slow = self.connect_raw(self.port)
        slow.sendall(b"GET /metrics HTTP/1.1\r\nHo")
        # One that reads nothing of many answers.
        deaf = self.connect_raw(self.port)
        deaf.setblocking(False)
        try:
            for _ in range(10000):
                deaf.send(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        except BlockingIOError:
            pass
        for _ in range(20):
            self.scrape()
        # Served, or closed because it was slower than a client may be.
        try:
            slow.sendall(b"st: a\r\nConnection: close\r\n\r\n")
            got = receive_all(slow)
        except ConnectionError:
            got = b""
        self.assertTrue(not got or b"paraclock_build_info" in got, got)
        # One that only sends in two parts is served.
        parts = self.connect_raw(self.port)
        parts.sendall(b"GET /metrics HTTP/1.1\r\nHo")
        parts.sendall(b"st: a\r\nConnection: close\r\n\r\n")
        self.assertIn(b"paraclock_build_info", receive_all(parts))

    def test_clients_that_drip_do_not_keep_others_out(self):
        """They send a byte now and then, and hold all connections."""
        begin = time.monotonic()
        dripping = [self.connect_raw(self.port) for _ in range(CONNECTIONS)]
        ended = 0
        while ended < CONNECTIONS:
            ended = 0
            for client in dripping:
                try:
                    client.send(b"G")
                except OSError:
                    ended += 1
            self.assertLess(time.monotonic() - begin, cli.HANGS_SEC)
            time.sleep(0.5)
        print(f"closed after {time.monotonic() - begin:.1f} s, of "
              f"{PATIENCE_SEC} s", flush=True)
        self.scrape()

    def test_many_connections_wait_for_their_turn(self):
        def fetch(_):
            client = self.connect_raw(self.port)
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n"
                           b"Connection: close\r\n\r\n")
            return receive_all(client)
        with concurrent.futures.ThreadPoolExecutor(60) as pool:
            for got in pool.map(fetch, range(200)):
                self.assertIn(b"paraclock_build_info", got)
        self.scrape()

    def test_clients_that_go_away_leave_nothing(self):
        def descriptors():
            return len(os.listdir(f"/proc/{self.process.pid}/fd"))
        self.scrape()
        before = descriptors()
        for i in range(300):
            client = self.connect_raw(self.port)
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"[:i])
            client.close()
        self.scrape()
        # The last ones may not have been noticed yet.
        cli.wait_until(lambda: self.scrape() and descriptors() <= before + 1,
                       self.process)


class Following(Case):
    """What needs more than one look."""

    def follow(self, acts, **more):
        page = self.publish(acts, **more)
        self.process, self.port = self.listen("-b", "vmclock", "-d", page)

    def test_a_rate(self):
        self.follow("slew a 200ppm")
        text = self.scrape_until(lambda text: text.samples(
            "paraclock_source_rate_error_ratio"))
        # The page's own rate is that of this machine's counter as the simulator
        # measures it.
        rate = text.value("paraclock_source_rate_error_ratio")
        bound = text.value("paraclock_source_rate_error_bound_ratio")
        print(f"rate {rate * 1e6:.3f} ppm, to within {bound * 1e6:.3f}",
              flush=True)
        self.assertGreater(bound, 0)
        self.assertLess(abs(rate - 200e-6), 100e-6 + bound)

    def test_a_migration_is_counted(self):
        self.follow("host b maxerror 1ms maxerror-rate 50ppb\nrun 2s\n"
                    "migrate v to b downtime 10ms")
        self.assertEqual(self.scrape().value("paraclock_source_valid"), 1)
        self.go_on()
        text = self.scrape_until(lambda text: any(
            value for _, value in text.samples(
                "paraclock_source_disruptions_total")))
        age = text.value("paraclock_source_last_disruption_age_seconds")
        self.assertGreaterEqual(age, 0)
        self.assertLess(age, cli.HANGS_SEC)
        self.assertEqual(sum(
            value for _, value in
            text.samples("paraclock_source_disruptions_total")), 1)

    def test_a_page_that_goes_away_and_comes_back(self):
        page = self.publish("")
        copy = self.files / "page"
        # Not of a page in the middle of an update.
        self.hold(page)
        copy.write_bytes(page.read_bytes())
        self.process, self.port = self.listen("-b", "vmclock", "-d", copy)
        self.assertEqual(
            self.scrape().value("paraclock_source_available"), 1)
        copy.unlink()
        self.scrape_until(lambda text: text.value(
            "paraclock_source_available") == 0)
        self.assertIn("vmclock is gone", self.process.stderr.readline())
        copy.write_bytes(page.read_bytes())
        text = self.scrape_until(lambda text: text.value(
            "paraclock_source_available") == 1)
        self.assertIn("vmclock is here", self.process.stderr.readline())
        self.assertEqual(text.value("paraclock_source_events_total",
                                    kind="source-lost"), 1)

    def test_an_idle_exporter_is_cheap(self):
        self.scrape()

        def cpu_sec():
            with open(f"/proc/{self.process.pid}/stat",
                      encoding="ascii") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / \
                os.sysconf("SC_CLK_TCK")
        before, begin = cpu_sec(), time.monotonic()
        time.sleep(5)
        share = (cpu_sec() - before) / (time.monotonic() - begin)
        print(f"idle: {share * 100:.2f} % of a CPU", flush=True)
        self.scrape()


if __name__ == "__main__":
    cli.main()
