"""Accounts in the browser: registering, logging in and out in several tabs, passwords, devices."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from ops.seed import Account
from tests.running import System

from .accessibility import in_both_widths
from .conftest import Visit

PASSWORD = "three words and a comma"


def code_of_the_mail(page: Page) -> str:
    """The one-time code; on a developer's machine the page shows what the mail would bring."""
    return page.locator("[data-code]").inner_text()


def log_in(page: Page, email: str, password: str) -> None:
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(password)
    page.locator("form").get_by_role("button", name="Log in").click()


def test_a_newcomer_registers_and_is_led_to_where_they_were_going(visit: Visit) -> None:
    page = visit("/tickets")  # which is for somebody
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    in_both_widths(page)
    page.locator("main").get_by_role("link", name="Register").click()
    expect(page.get_by_role("heading", name="Register")).to_be_visible()
    email = "newcomer@parterre.example"
    page.get_by_label("E-mail address").fill(email)
    in_both_widths(page)
    page.get_by_role("button", name="Send the code").click()
    code = code_of_the_mail(page)
    wrong = "000000" if code != "000000" else "111111"
    page.get_by_label("Code from the e-mail").fill(wrong)
    page.get_by_label("Your name").fill("Maya Rai")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Register").click()
    expect(page.get_by_role("alert")).to_be_visible()
    in_both_widths(page)
    page.get_by_label("Code from the e-mail").fill(code)
    page.get_by_role("button", name="Register").click()
    expect(page).to_have_url(re.compile("/tickets$"))
    expect(page.get_by_text("You have no upcoming tickets.")).to_be_visible()
    in_both_widths(page)

    # What one tab does the other knows.
    other = page.context.new_page()
    other.goto("/account")
    expect(other.get_by_role("link", name="Maya Rai")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    expect(other.get_by_role("heading", name="Log in")).to_be_visible()
    log_in(other, email, "not this one at all")
    expect(other.get_by_role("alert")).to_be_visible()
    in_both_widths(other)
    log_in(other, email, PASSWORD)
    expect(other.get_by_label("Your name")).to_have_value("Maya Rai")
    expect(page.get_by_role("link", name="Maya Rai")).to_be_visible()


def test_the_header_leads_back_to_where_one_was(
    visit: Visit, newcomer: Callable[..., Account], system: System
) -> None:
    someone = newcomer()
    seats = f"/events/{system.event('SEATED')}/seats?view=list"
    page = visit(seats)
    header = page.get_by_role("banner")
    for name in ("Log in", "Register", "Log in"):
        header.get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
    log_in(page, someone.email, someone.password)
    expect(page.get_by_role("tab", name="List")).to_have_attribute("aria-selected", "true")


def test_a_forgotten_password_is_replaced_and_devices_are_logged_out(
    visit: Visit, newcomer: Callable[..., Account], signed_in: Visit
) -> None:
    someone = newcomer()
    left_behind = signed_in(someone, "/account?tab=devices")
    expect(left_behind.get_by_text("Current device")).to_be_visible()
    page = visit("/login")
    page.get_by_role("link", name="Forgot the password?").click()
    expect(page.get_by_role("heading", name="Reset your password")).to_be_visible()
    page.get_by_label("E-mail address").fill(someone.email)
    page.get_by_role("button", name="Send the code").click()
    page.get_by_label("Code from the e-mail").fill(code_of_the_mail(page))
    page.get_by_label("New password").fill(PASSWORD)
    in_both_widths(page)
    page.get_by_role("button", name="Set the password").click()
    expect(page.get_by_text("Your new password is set.")).to_be_visible()
    log_in(page, someone.email, PASSWORD)
    expect(page.get_by_role("link", name="My tickets")).to_be_visible()
    left_behind.reload()
    expect(left_behind.get_by_role("heading", name="Log in")).to_be_visible()
    log_in(left_behind, someone.email, PASSWORD)

    page.goto("/account?tab=devices")
    page.get_by_role("button", name="Log out this device").click()
    asked = page.get_by_role("dialog", name="Log out?")
    in_both_widths(page)
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Log out this device")).to_be_focused()
    page.get_by_role("button", name="Log out this device").click()
    asked.get_by_role("button", name="Yes, log out").click()
    expect(page.get_by_role("button", name="Log out this device")).to_have_count(0)
    left_behind.reload()
    expect(left_behind.get_by_role("heading", name="Log in")).to_be_visible()

    page.get_by_role("tab", name="Password").click()
    page.get_by_label("Current password").fill("not this one at all")
    page.get_by_label("New password").fill("four other words here")
    page.get_by_role("button", name="Set the password").click()
    expect(page.get_by_role("alert")).to_be_visible()
    in_both_widths(page)
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_role("button", name="Set the password").click()
    expect(page.get_by_text("Your new password is set.")).to_be_visible()
