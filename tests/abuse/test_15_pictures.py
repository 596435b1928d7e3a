"""Item 15: a draft's pictures were everybody's, and any tag was told that nothing had changed."""

from __future__ import annotations

import pytest
from parterre.catalog.v1 import catalog_pb2

from chassis.errors import RemoteError
from chassis.identity import Role
from tests.component.conftest import make_database, serve, template
from tests.component.test_pictures import ASHA, BINA, ROOT, Pictures, pictures
from tests.contract import samples
from tests.contract.conftest import Edge, RefusalError

__all__ = ["make_database", "pictures", "serve", "template"]

STRANGERS = [(None, Role.CUSTOMER), (BINA, Role.CUSTOMER), (BINA, Role.ORGANIZER)]
PATH = f"/media/{samples.IMAGE}?w=700"
TAG = f'"{samples.IMAGE}.700"'


async def test_a_drafts_pictures_are_its_organizers_and_admins_until_it_is_published(
    pictures: Pictures,
) -> None:
    event = await pictures.event()
    image = await pictures.add(event)
    for who, role in STRANGERS:
        with pytest.raises(RemoteError) as refused:
            await pictures.get(image.id, who=who, role=role)
        assert refused.value.reason == "IMAGE_NOT_FOUND"
    assert (await pictures.get(image.id, who=ASHA)).content
    assert (await pictures.get(image.id, who=ROOT, role=Role.ADMIN)).content

    await pictures.publish(event)
    for who, role in STRANGERS:
        assert (await pictures.get(image.id, who=who, role=role)).content


@pytest.mark.parametrize("role", [None, Role.CUSTOMER])
async def test_a_guessed_tag_does_not_tell_that_there_is_such_a_picture(
    edge: Edge, refusal: type[RefusalError], role: Role | None
) -> None:
    edge.catalog.answers["GetImage"] = refusal("NOT_FOUND", "IMAGE_NOT_FOUND")
    answer = await edge.get(PATH, role=role, headers={"If-None-Match": TAG})
    assert (answer.status_code, answer.json()["reason"]) == (404, "IMAGE_NOT_FOUND")
    assert "etag" not in answer.headers


async def test_what_a_person_was_given_is_kept_by_no_shared_cache(edge: Edge) -> None:
    edge.catalog.answers["GetImage"] = catalog_pb2.GetImageResponse(content=b"RIFF", width=960)
    for headers, status in (({}, 200), ({"If-None-Match": TAG}, 304)):
        answer = await edge.get(PATH, role=Role.ORGANIZER, headers=headers)
        assert answer.status_code == status
        assert answer.headers["cache-control"].startswith("private, ")
        assert answer.headers["vary"] == "Authorization"
    answer = await edge.get(PATH, role=None, headers={"If-None-Match": TAG})
    assert (answer.status_code, answer.headers["cache-control"][:7]) == (304, "public,")
