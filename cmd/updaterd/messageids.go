// SPDX-License-Identifier: LGPL-2.1-or-later

package main

// messageIDs gives each event of the log, by the value of its attribute
// "event", the MESSAGE_ID by which programs know it, see systemd.journal-fields(7).
// They were drawn at random (version 4, as journalctl --new-id128 does) and are kept for ever; docs/journal.md lists them.
var messageIDs = map[string]string{
	"update-begins":      "eea48ff85b3044b685dda8723daf0634",
	"stage":              "cda6a8456aa14d62bbdbcdab5228316f",
	"update-installed":   "647eb40e3f2c491ab290971a68e4f61c",
	"update-fetched":     "648b5b4846f54c3da30487774cf7fe37",
	"update-failed":      "0092aff0c334434aa7d978e24e309981",
	"update-cancelled":   "e56eadfea74f4bc983f4c6bf01dee7d0",
	"update-interrupted": "3144222f94ab409a93c79153ba21c566",
	"rolled-back":        "43e2dd89cf984e84b46ee1d46ea2f7c3",
	"update-available":   "864e46a35ae24c8b9a369929ba53d846",
	"check-failed":       "c55f8615548a4e1a9c81720e4b67b1fe",
	"reloaded":           "78c7bf5dc43d4c548eb6dc6d38ce8bee",
	"held":               "af7bcfd9f9584b91a00ccfafbbb452e4",
	"released":           "9af84aca99c44015a7233dbdeeb11062",
}
