"""The organizer's pages: an event from its draft to being called off."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import FilePayload, Page, Route, expect

from clients.browser import NARROW, Watch
from ops.client import Client
from ops.posters import poster
from ops.seed import Account
from tests.running import System

from .accessibility import axe, fits_its_width, settle, tab_through
from .conftest import Visit


def is_for_everybody(page: Page) -> None:
    """Holds the state that the page is in to WCAG 2.2 AA, and to its width."""
    settle(page)
    axe(page)
    fits_its_width(page)


def lose_the_answer(route: Route) -> None:
    """Lets a POST take effect, and its answer not come back."""
    if route.request.method == "POST":
        route.fetch()
        route.abort()
    else:
        route.continue_()


def test_an_event_is_drafted_published_and_called_off(
    signed_in: Visit, newcomer: Callable[..., Account], watch: Watch
) -> None:
    organizer = newcomer("ORGANIZER")
    page = signed_in(organizer, "/organizer", **NARROW)
    is_for_everybody(page)
    expect(page.get_by_text("No events yet.")).to_be_visible()

    expect(page.get_by_role("link", name="New event")).to_be_visible()
    page.goto("/organizer/events/new")
    settle(page)
    tab_through(page)
    page.get_by_label("Title").fill("An evening of stories")
    page.get_by_label("Place", exact=True).fill("The old library, Patan")
    page.get_by_label("Time zone").fill("Asia/Nowhere")
    page.get_by_label("Name").fill("Everybody")
    page.get_by_label("Price in NPR").fill("250.50")
    page.get_by_role("button", name="Create draft").click()
    expect(page.get_by_text("There is no such time zone.")).to_be_visible()
    is_for_everybody(page)
    page.get_by_label("Time zone").fill("Asia/Kathmandu")
    page.get_by_role("button", name="Create draft").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("An evening of stories")
    expect(page.get_by_text("Nothing is missing.")).to_be_visible()
    is_for_everybody(page)

    # Of a draft nobody else sees the picture.
    page.get_by_role("tab", name="Pictures").click()
    banner = poster("An evening of stories", "Patan")
    file = FilePayload(name="poster.png", mimeType="image/png", buffer=banner)
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_alt_text("Picture 1")).to_have_js_property("complete", True)
    expect(page.get_by_alt_text("Picture 1")).not_to_have_js_property("naturalWidth", 0)
    is_for_everybody(page)

    # Somebody changes it elsewhere: nothing is overwritten, and the page says what to do.
    other = signed_in(organizer, page.url.split("?")[0] + "?tab=edit")
    page.get_by_role("tab", name="Edit").click()
    expect(page.get_by_label("Price in NPR")).to_have_value("250.5")
    other.get_by_label("Title").fill("A night of stories")
    other.get_by_role("button", name="Save").click()
    expect(other.get_by_text("Saved.")).to_be_visible()
    page.get_by_label("Maximum tickets per person").fill("4")
    page.get_by_label("Title").fill("A day of stories")
    watch.allow("412")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Nothing was overwritten")).to_be_visible()
    yours, theirs = (page.get_by_label(f"{whose}: A ") for whose in ("Yours", "Theirs"))
    expect(yours).to_be_checked()
    is_for_everybody(page)
    theirs.check()
    page.get_by_role("button", name="Save this version").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("A night of stories")
    expect(page.get_by_label("Maximum tickets per person")).to_have_value("4")

    page.get_by_role("tab", name="Coupons").click()
    page.get_by_label("Code").fill("early")
    page.get_by_label("Amount").fill("20")
    # Every answer is lost on the way; pressed again, it is the same coupon.
    watch.allow("ERR_FAILED")
    page.route("**/coupons", lose_the_answer)
    page.get_by_role("button", name="Create coupon").click()
    expect(page.get_by_text("The network does not answer.")).to_be_visible()
    page.unroute_all()
    page.get_by_role("button", name="Create coupon").click()
    expect(page.get_by_text("20% off")).to_have_count(1)
    page.get_by_role("button", name="Switch off EARLY").click()
    expect(page.get_by_role("button", name="Switch on EARLY")).to_be_visible()
    is_for_everybody(page)

    page.get_by_role("tab", name="Publish").click()
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("Published", exact=True)).to_be_visible()
    expect(page.get_by_text("Nothing is sold yet.")).to_be_visible()
    is_for_everybody(page)

    page.get_by_role("tab", name="Cancel event").click()
    page.get_by_label("Reason").fill("The library is closed.")
    page.get_by_role("button", name="Cancel event").click()
    page.get_by_role("button", name="Yes, cancel the event").click()
    expect(page.get_by_text("Cancelled: The library is closed.")).to_be_visible()
    is_for_everybody(page)


def test_what_is_sold_is_shown_and_given_back(signed_in: Visit, system: System) -> None:
    page = signed_in("ORGANIZER", "/organizer")
    is_for_everybody(page)
    page.goto(f"/organizer/events/{system.event('SEATED')}")
    is_for_everybody(page)
    page.get_by_role("tab", name="Bookings").click()
    is_for_everybody(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as CSV").click()
    assert download.value.suggested_filename == "bookings.csv"

    page.get_by_role("tab", name="Blocked seats").click()
    settle(page)
    page.get_by_role("checkbox").last.check()
    page.get_by_label("Note for yourself").fill("The director's mother")
    page.get_by_role("button", name="Block them").click()
    kept = page.get_by_role("listitem").filter(has_text="The director's mother")
    expect(kept).to_be_visible()
    is_for_everybody(page)
    kept.get_by_role("button", name="Unblock them").click()
    expect(kept).to_have_count(0)

    page.get_by_role("tab", name="Messages").click()
    page.get_by_label("Subject").fill("Come early")
    page.get_by_label("Text").fill("The doors open an hour before.")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("dialog")).to_contain_text("It is sent to the buyers of")
    axe(page)


def test_keys_and_secrets_are_shown_once(
    signed_in: Visit, newcomer: Callable[..., Account]
) -> None:
    organizer = newcomer("ORGANIZER")
    page = signed_in(organizer, "/organizer/keys", **NARROW)
    is_for_everybody(page)
    page.get_by_label("Name", exact=True).fill("The door's scanner")
    page.get_by_role("button", name="Create key").click()
    expect(page.get_by_text("Choose at least one permission.")).to_be_visible()
    page.get_by_label("Admit people").check()
    page.get_by_role("button", name="Create key").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("It is shown only once")
    axe(page)
    secret = dialog.locator("pre").inner_text()
    dialog.get_by_role("button", name="Done").click()
    expect(page.get_by_text(secret)).to_have_count(0)
    page.get_by_role("button", name="Revoke The door's scanner").click()
    page.get_by_role("button", name="Yes, revoke").click()
    expect(page.get_by_text("Revoked")).to_be_visible()

    page.goto("/organizer/webhooks")
    is_for_everybody(page)
    page.get_by_label("Address").fill("https://hooks.parterre.example/in")
    page.get_by_label("A booking is paid").check()
    page.get_by_role("button", name="Add the webhook").click()
    expect(dialog).to_contain_text("whsec_")
    first = dialog.locator("pre").inner_text()
    dialog.get_by_role("button", name="Done").click()
    page.get_by_role("button", name="New secret").click()
    page.get_by_role("button", name="Yes, create it").click()
    expect(dialog.locator("pre")).not_to_have_text(first)
    dialog.get_by_role("button", name="Done").click()
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_text("A test", exact=True)).to_be_visible()
    is_for_everybody(page)


def test_where_people_stand_is_drawn(signed_in: Visit, newcomer: Callable[..., Account]) -> None:
    page = signed_in(newcomer("ORGANIZER"), "/organizer/venues")
    page.get_by_label("Name of the venue").fill("The cellar")
    page.get_by_label("Street and number").fill("Mangal Bazaar 5")
    page.get_by_label("City").fill("Patan")
    page.get_by_role("button", name="Create venue").click()
    page.get_by_role("button", name="New section").click()
    page.get_by_label("Name of the section").fill("Floor")
    page.get_by_label("Kind").select_option(label="Standing")
    page.get_by_label("Capacity").fill("400")
    floor = page.get_by_role("button", name="Floor, 400 standing places")
    expect(floor).to_be_visible()
    page.get_by_role("button", name="Add the section").click()
    expect(page.get_by_text("Saved.")).to_be_visible()

    # Moved and sized by the keyboard; what is done is undone step by step.
    right, away = page.get_by_label("Middle, to the right"), page.get_by_label("Middle, away")
    width, depth = page.get_by_label("Width"), page.get_by_label("Depth")
    floor.press("Enter")
    page.get_by_label("Capacity").fill("1600")
    expect(width).to_have_value("40")  # nobody drew it yet: it is as large as its people need
    page.get_by_role("button", name="Undo").click()
    expect(width).to_have_value("20")
    floor.press("ArrowRight")
    floor.press("ArrowDown")
    expect(right).to_have_value("1")
    expect(away).to_have_value("7")
    corner = page.get_by_role("button", name="Size of Floor")
    corner.press("ArrowRight")
    corner.press("Shift+ArrowDown")
    expect(width).to_have_value("21")
    expect(depth).to_have_value("10.1")
    is_for_everybody(page)
    page.get_by_role("button", name="Undo").click()
    expect(depth).to_have_value("10")
    expect(right).to_have_value("1.5")
    page.get_by_role("button", name="Save the section").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.reload()
    floor.press("Enter")
    expect(page.get_by_role("button", name="Size of Floor: 21 wide, 10 deep")).to_be_visible()
    expect(right).to_have_value("1.5")

    # By number, and by the pointer: one drag is one change.
    depth.fill("12")
    depth.blur()
    box = corner.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] - 100, box["y"] + 5, steps=4)
    page.mouse.up()
    expect(width).not_to_have_value("21")
    page.get_by_role("button", name="Undo").click()
    expect(width).to_have_value("21")
    expect(depth).to_have_value("12")
    page.set_viewport_size(NARROW["viewport"])
    is_for_everybody(page)

    # Left to the page again, it follows what is drawn; that can be undone, and saved.
    automatically = page.get_by_role("button", name="Place it automatically")
    automatically.click()
    expect(width).to_have_value("20")
    page.get_by_role("button", name="Undo").click()
    expect(width).to_have_value("21")
    automatically.click()
    page.get_by_role("button", name="Save the section").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.reload()
    floor.press("Enter")
    expect(page.get_by_text("Placed automatically")).to_be_visible()
    expect(depth).to_have_value("10")


def test_a_hall_is_designed(
    signed_in: Visit, newcomer: Callable[..., Account], watch: Watch
) -> None:
    organizer = newcomer("ORGANIZER")
    page = signed_in(organizer, "/organizer/venues")
    is_for_everybody(page)
    page.get_by_label("Name of the venue").fill("The small stage")
    page.get_by_label("Street and number").fill("Mangal Bazaar 4")
    page.get_by_label("City").fill("Patan")
    page.get_by_role("button", name="Create venue").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The small stage")

    page.get_by_role("button", name="New section").click()
    page.get_by_label("Name of the section").fill("Stalls")
    page.get_by_label("Number of rows").fill("3")
    page.get_by_label("Skipped numbers").fill("5, 6")
    page.get_by_role("button", name="Add 3 rows").click()
    page.get_by_label("Seats of row C").fill("1..4")
    page.get_by_role("button", name="Add the section").click()
    section = page.get_by_role("button", name="Stalls, 20 seats")
    expect(section).to_be_visible()
    is_for_everybody(page)

    section.press("Enter")
    section.press("ArrowRight")
    to_the_right = page.get_by_label("Middle of the first row, to the right")
    expect(to_the_right).to_have_value("1")
    is_for_everybody(page)
    page.get_by_role("button", name="Save the section").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.reload()
    section.press("Enter")
    expect(to_the_right).to_have_value("1")
    page.get_by_role("button", name="Close").click()

    stage = page.get_by_role("button", name="Stage, 1 to the right")
    stage.press("ArrowRight")
    expect(page.get_by_role("button", name="Stage, 2 to the right")).to_be_visible()
    is_for_everybody(page)
    page.get_by_role("button", name="Save where the stage is").click()
    expect(page.get_by_role("button", name="Save where the stage is")).to_have_count(0)
    page.reload()
    expect(page.get_by_role("button", name="Stage, 2 to the right")).to_be_visible()

    section.press("Enter")
    # What is typed into a field is undone at once; into two, one after the other.
    name, undo = page.get_by_label("Name of the section"), page.get_by_role("button", name="Undo")
    name.press("End")
    name.press_sequentially(" left")
    page.get_by_label("Row", exact=True).first.press_sequentially("A")
    undo.click()
    expect(page.get_by_label("Row", exact=True).first).to_have_value("A")
    expect(name).to_have_value("Stalls left")
    undo.click()
    expect(name).to_have_value("Stalls")
    expect(undo).to_be_disabled()
    page.get_by_label("Name of the section").fill("Parquet")
    page.get_by_role("button", name="Save the section").click()
    renamed = page.get_by_role("button", name="Parquet, 20 seats")
    expect(renamed).to_be_visible()

    seats = FilePayload(
        name="seats.csv",
        mimeType="text/csv",
        buffer=b"section,row,seat\r\nBalcony,1,7\r\nBalcony,1,8\r\nParquet,1,1\r\n",
    )
    # Somebody else changes the venue meanwhile: what is replaced is what was seen.
    other = signed_in(organizer, page.url)
    other.get_by_label("Name of the venue").fill("The old stage")
    other.get_by_role("button", name="Save", exact=True).click()
    expect(other.get_by_text("Saved.")).to_be_visible()
    page.get_by_label("Import seats from a file").set_input_files(seats)
    watch.allow("412")
    page.get_by_role("button", name="Import them").click()
    expect(page.get_by_role("heading", name="The old stage")).to_be_visible()
    expect(renamed).to_be_visible()
    page.get_by_role("button", name="Import them").click()
    renamed = page.get_by_role("button", name="Parquet, 1 seat")
    expect(renamed).to_be_visible()
    expect(page.get_by_role("button", name="Balcony, 2 seats")).to_be_visible()

    renamed.press("Enter")
    page.get_by_role("button", name="Delete the section").click()
    expect(page.get_by_role("dialog")).to_contain_text("drafts that sell it lose it")
    axe(page)
    page.get_by_role("button", name="Yes, delete").click()
    expect(page.get_by_text("The section is deleted.")).to_be_visible()
    expect(renamed).to_have_count(0)
    page.set_viewport_size(NARROW["viewport"])
    is_for_everybody(page)


def test_what_is_done_to_a_hall_is_undone_wherever_it_was(
    system: System, signed_in: Visit, newcomer: Callable[..., Account]
) -> None:
    owner = newcomer("ORGANIZER")
    page = signed_in(owner, a_venue(system, owner, {"label": "A", "seats": 8}))
    floor = page.get_by_role("button", name="The floor, ")
    stalls = page.get_by_role("button", name="Stalls, 8 seats")
    stage = page.get_by_role("button", name="Stage, ")
    undo, redo = (page.get_by_role("button", name=name, exact=True) for name in ("Undo", "Redo"))
    told = page.get_by_role("group", name="Your changes").locator("+ [role=status]")
    unsaved, saved = page.get_by_text("Not saved"), page.get_by_text("Saved.", exact=True)
    right = page.get_by_label("Middle of the first row, to the right")
    capacity = page.get_by_label("Capacity")
    expect(undo).to_be_disabled()

    # One section is left for another, and that for the stage, with nothing saved.
    stalls.press("Enter")
    stalls.press("ArrowRight")
    floor.press("Enter")
    capacity.fill("90")
    stage.press("ArrowRight")
    expect(stage).to_have_accessible_name("Stage, 2 to the right, -1 away")
    expect(unsaved).to_have_count(2)
    is_for_everybody(page)
    undo.click()
    expect(told).to_have_text("Undone: moving the stage. 2 more steps can be undone.")
    expect(stage).to_have_accessible_name("Stage, 1 to the right, -1 away")
    stalls.press("Enter")
    page.keyboard.press("Control+z")
    expect(told).to_contain_text("Undone: changing the capacity of The floor. 1 more")
    expect(floor).to_have_attribute("aria-pressed", "true")
    expect(capacity).to_have_value("50")
    # A field's own text is its section's history; another form's is its browser's.
    capacity.press("Control+z")
    expect(told).to_contain_text("Undone: moving Stalls.")
    expect(stalls).to_have_attribute("aria-pressed", "true")
    expect(stalls).to_be_focused()  # the field is gone
    expect(right).to_have_value("0")
    expect(unsaved).to_have_count(0)
    expect(undo).to_be_disabled()
    city = page.get_by_label("City")
    city.press_sequentially("!")
    city.press("Control+Shift+Z")
    expect(right).to_have_value("0")
    stalls.press("Control+Shift+Z")
    expect(told).to_have_text("Redone: moving Stalls. 2 more steps can be redone.")
    stalls.press("Control+y")
    expect(capacity).to_have_value("90")

    # Both are saved at once; what was saved can still be undone, and saved again.
    page.get_by_role("button", name="Save all changes").click()
    expect(saved).to_be_visible()
    expect(unsaved).to_have_count(0)
    undo.click()
    expect(capacity).to_have_value("50")
    expect(unsaved).to_have_count(1)
    page.get_by_role("button", name="Save the section").click()
    expect(saved).to_be_visible()
    page.reload()
    stalls.press("Enter")
    expect(right).to_have_value("1")
    expect(page.get_by_role("button", name="The floor, 50 standing places")).to_be_visible()
    # Back before the stage was ever moved, it is where the first row has it.
    save_stage = page.get_by_role("button", name="Save where the stage is")
    stage.press("ArrowUp")
    save_stage.click()
    expect(saved).to_be_visible()
    undo.click()
    save_stage.click()
    expect(save_stage).to_have_count(0)
    stalls.press("ArrowUp")
    expect(stage).to_have_accessible_name("Stage, 1 to the right, -2 away")
    page.get_by_role("button", name="Discard").click()
    stalls.press("Enter")

    # So can what was discarded, and a new section.
    stalls.press("ArrowDown")
    page.get_by_role("button", name="Discard").click()
    undo.click()
    expect(page.get_by_label("away from the stage")).to_have_value("1")
    page.get_by_role("button", name="New section").click()
    page.get_by_label("Name of the section").fill("Box")
    stalls.press("Enter")
    page.get_by_role("button", name="Box", exact=True).click()
    undo.click()
    undo.click()
    expect(told).to_contain_text("Undone: adding the new section.")
    expect(page.get_by_label("Name of the section")).to_have_count(0)
    redo.click()
    redo.click()
    page.get_by_role("button", name="Add the section").click()
    expect(page.get_by_role("alert")).to_have_text("The section has no rows yet. Add them first.")
    expect(page.get_by_label("Name of the section")).to_have_value("Box")
    page.get_by_role("button", name="Add 1 row").click()
    is_for_everybody(page)
    page.get_by_role("button", name="Add the section").click()
    expect(saved).to_be_visible()
    page.get_by_role("button", name="Box", exact=True).click()
    # It was put behind the rest, not over it; that it was added is not undone by the way.
    expect(page.get_by_label("away from the stage")).not_to_have_value("0")
    undo.click()
    expect(told).to_contain_text("Undone: changing the rows of Box.")


def test_a_hall_is_sold_by_its_sections(
    system: System, signed_in: Visit, newcomer: Callable[..., Account]
) -> None:
    owner = newcomer("ORGANIZER")
    venue = a_venue(system, owner, {"label": "A", "seats": 8}).removeprefix("/organizer/venues/")
    page = signed_in(owner, "/organizer/events/new")
    page.get_by_label("Title").fill("An evening in the barn")
    page.get_by_role("combobox", name="Venue").select_option(venue)
    stalls, floor = (page.get_by_label(name) for name in ("Stalls (8)", "The floor (50)"))
    stalls.check()
    floor.check()
    page.get_by_label("Name", exact=True).fill("Everybody")
    page.get_by_label("Price in NPR").fill("250")
    is_for_everybody(page)
    page.get_by_role("button", name="Create draft").click()
    expect(page.get_by_text("Nothing is missing.")).to_be_visible()

    # Another change leaves the sections to their price.
    page.get_by_role("tab", name="Edit").click()
    expect(floor).to_be_checked()
    page.get_by_label("Title").fill("A night in the barn")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("A night in the barn")
    page.get_by_role("tab", name="Publish").click()
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("It is on sale now.")).to_be_visible()
    expect(page.get_by_text("It is being published")).to_have_count(0)

    buyer = signed_in(newcomer(), page.url.split("?")[0].replace("/organizer", "") + "/seats")
    expect(buyer.get_by_role("application")).to_be_visible()
    buyer.get_by_role("button", name="Best 2 seats").click()
    expect(buyer.locator(".chosen li")).to_have_count(2)
    is_for_everybody(buyer)


def test_whoever_leaves_what_is_not_saved_is_asked(
    system: System, signed_in: Visit, newcomer: Callable[..., Account]
) -> None:
    owner = newcomer("ORGANIZER")
    venue = a_venue(system, owner)
    page = signed_in(owner, "/organizer")
    page.get_by_role("link", name="New event").first.click()
    title = page.get_by_label("Title")
    expect(title).to_be_visible()
    # Nothing is asked where nothing was typed.
    page.go_back()
    expect(page).to_have_url(re.compile("/organizer$"))
    page.get_by_role("link", name="Venues").click()
    page.locator(f"a[href='{venue}']").click()
    floor = page.get_by_role("button", name="The floor, ")
    floor.press("Enter")
    floor.press("ArrowRight")
    expect(page.get_by_text("Not saved")).to_be_visible()
    asked = page.get_by_role("dialog", name="Leave without saving?")

    page.get_by_role("link", name="Organize").click()
    is_for_everybody(page)
    asked.get_by_role("button", name="Stay here").click()
    expect(page.get_by_text("Not saved")).to_be_visible()
    page.go_back()
    expect(asked).to_be_visible()
    expect(page).to_have_url(re.compile(f"{venue}$"))
    asked.get_by_role("button", name="Leave").click()
    expect(page).to_have_url(re.compile("/organizer/venues$"))
    page.get_by_role("link", name="Organize", exact=True).click()

    page.get_by_role("link", name="New event").first.click()
    title.fill("The long night")
    elsewhere = page.get_by_role("link", name="Events", exact=True)
    elsewhere.click()
    asked.get_by_role("button", name="Stay here").click()
    expect(elsewhere).to_be_focused()
    expect(title).to_have_value("The long night")
    page.get_by_label("Place", exact=True).fill("The barn")
    page.get_by_label("Name", exact=True).first.fill("Entry")
    page.get_by_label("Price in NPR").fill("500")
    page.get_by_label("Tickets", exact=True).fill("50")
    page.get_by_role("button", name="Create draft").click()
    expect(page.get_by_role("heading", name="The long night")).to_be_visible()
    expect(asked).to_have_count(0)


def a_venue(system: System, owner: Account, *rows: dict[str, object]) -> str:
    """The address of the designer of a new venue: people stand, and sit where there are rows."""
    with Client(system.gateway).log_in(owner.email, owner.password) as seller:
        place = {"address": "1", "city": "Patan", "country": "NP", "timezone": "Asia/Kathmandu"}
        venue = seller.post("/venues", {"name": "The barn", **place})["id"]
        floor = {"kind": "STANDING", "name": "The floor", "capacity": 50}
        if rows:
            stalls = {"kind": "SEATED", "name": "Stalls", "rows": rows}
            seller.post(f"/venues/{venue}/sections", stalls)
        seller.post(f"/venues/{venue}/sections", floor)
    return f"/organizer/venues/{venue}"


def test_two_who_change_a_venue_overwrite_nothing(
    system: System, signed_in: Visit, newcomer: Callable[..., Account], watch: Watch
) -> None:
    watch.allow("412")
    owner = newcomer("ORGANIZER")
    mine = signed_in(owner, a_venue(system, owner))
    theirs = signed_in(owner, mine.url)
    stale = mine.get_by_text("The venue was changed since you opened it.")

    # The same section: what was typed stays, and is saved once the newer version has been seen.
    for page in (mine, theirs):
        page.get_by_role("button", name="The floor", exact=True).click()
    theirs.get_by_label("Capacity").fill("60")
    theirs.get_by_role("button", name="Save the section").click()
    expect(theirs.get_by_text("Saved.")).to_be_visible()
    mine.get_by_label("Name of the section").fill("The ground")
    mine.get_by_role("button", name="Save the section").click()
    expect(stale).to_be_visible()
    is_for_everybody(mine)
    mine.get_by_role("button", name="Reload the venue").click()
    expect(stale).to_have_count(0)
    expect(mine.get_by_label("Name of the section")).to_have_value("The ground")
    mine.get_by_role("button", name="Save the section").click()
    expect(mine.get_by_text("Saved.")).to_be_visible()

    # The venue itself, and a section that the other has deleted meanwhile.
    theirs.reload()
    theirs.get_by_role("button", name="The ground", exact=True).click()
    theirs.get_by_role("button", name="Delete the section").click()
    theirs.get_by_role("button", name="Yes, delete").click()
    expect(theirs.get_by_text("The section is deleted.")).to_be_visible()
    mine.get_by_label("Name of the venue").fill("The old barn")
    mine.get_by_role("button", name="Save", exact=True).click()
    expect(stale).to_be_visible()
    mine.get_by_role("button", name="Reload the venue").click()
    expect(mine.get_by_text("No sections yet.")).to_be_visible()
    mine.get_by_role("button", name="Save", exact=True).click()
    expect(mine.get_by_role("heading", level=1)).to_have_text("The old barn")


def test_an_organizer_who_may_no_more_is_told_so(
    system: System, signed_in: Visit, newcomer: Callable[..., Account]
) -> None:
    closed, demoted = newcomer("ORGANIZER"), newcomer("ORGANIZER")
    with system.client("ADMIN") as admin:
        for account, change in ((closed, {"disabled": True}), (demoted, {"role": "CUSTOMER"})):
            page = signed_in(account, "/organizer/keys")
            page.get_by_label("Name", exact=True).fill("A scanner")
            page.get_by_label("Admit people").check()
            [user] = admin.get("/admin/users", q=account.email)["items"]
            admin.call("PATCH", f"/admin/users/{user['id']}", json=change)
            page.get_by_role("button", name="Create key").click()
            expect(page.get_by_text("You have been logged out")).to_be_visible()
            axe(page)
            page.get_by_label("E-mail address").fill(account.email)
            page.get_by_label("Password").fill(account.password)
            page.locator("form").get_by_role("button", name="Log in").click()
            if account is closed:
                told = page.get_by_role("alert")
                expect(told).to_contain_text("Tickets you bought stay valid.")
            else:
                words = "This account may not see this page"
                expect(page.get_by_role("heading", name=words)).to_be_visible()
                page.get_by_role("link", name="request it in your account").click()
                expect(page.get_by_label("I want to organize events")).to_be_visible()
