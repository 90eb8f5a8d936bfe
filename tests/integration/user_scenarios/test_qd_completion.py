"""Tab in a real bash completes what the platform knows."""


async def test_tab_completes_names_and_options(qd, user):
    """Nobody types what is known. Press Tab behind half the name of a session, of an option and of a folder; the line runs as bash made it."""
    await user.sessions.create(name="chandler-wobble")
    await user.folders.create("polar-motion")
    async with qd.bash() as seen:
        seen.types('eval "$(qd completion bash)"\n')
        seen.types("qd session show ch\t--js\t\n")
        await seen.shows('"name": "chandler-wobble"')
        seen.types("qd cp -r nothing pol\tdeep\n")
        await seen.shows("there is no file nothing")
    assert "qd session show chandler-wobble --json" in seen.text
    assert "qd cp -r nothing polar-motion:deep" in seen.text
