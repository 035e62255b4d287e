// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

// hints are next steps for people, by short error name. A name that is not here
// says all there is to do about it, or nothing can be done.
var hints = map[string][]string{
	"Busy": {
		"wait until it has ended (updaterctl monitor), or cancel it (updaterctl cancel)",
	},
	"NoTransaction":  {"see what the service is doing with: updaterctl status"},
	"NotCancelable":  {"it takes a few seconds; the running system is not touched"},
	"Interrupted":    {"nothing is lost: start the update again"},
	"UnknownVersion": {"see what the server offers with: updaterctl check, and what is installed with: updaterctl versions"},
	"InvalidVersion": {"a version looks like 5.0.0 or 5.0.0-beta.3, without build metadata"},
	"Downgrade": {
		"a newer version was good on this machine: an offer of an older one is refused",
		"if the server is right, ask for a release with a higher version",
	},
	"FailedBefore": {
		"ask for a release with a higher version",
		"or allow it again, with the version: updaterctl forget VERSION",
	},
	"Blocked": {"see what speaks against it with: updaterctl status"},

	"NetworkUnavailable": {
		"check the network, and the URLs in /etc/updater/remote.toml",
		"where a process of its own fetches: systemctl status updater-fetch.socket",
	},
	"TLSFailed": {
		"check the clock, the host names in /etc/updater/remote.toml and the certificate in /etc/updater/rootca.pem",
	},
	"ServerError":      {"check the URLs in /etc/updater/remote.toml, or ask the operator of the update server"},
	"ResponseTooLarge": {"ask the operator of the update server: what it sent is larger than any release"},
	"TooSlow":          {"try again later: a download goes on where it stopped"},

	"SignatureInvalid": {
		"nothing was installed; ask the operator of the update server",
		"a release signed in the old (not prehashed) way is accepted with prehashed_only = false in [trust] of /usr/lib/updater/config.toml",
	},
	"VersionMismatch": {"nothing was installed; ask the operator of the update server"},
	"ContentMismatch": {
		"nothing was installed; ask the operator of the update server",
		"payloads that carry no proof of belonging together are accepted with content_binding = false in [trust] of /usr/lib/updater/config.toml",
	},

	"VolumeGroupNotFound": {"check destination in [core] of /usr/lib/updater/config.toml against: vgs"},
	"VolumeInUse":         {"unmount or close the volume, then start the update again"},
	"VolumeTooSmall":      {"enlarge the volume (lvextend), or remove it and let the update create a new one"},
	"NoSpaceVolumeGroup": {
		"free space in the volume group: see vgs and lvs",
		"or, where the error says that the boot loader's default keeps a version: bootctl set-default \"\"",
	},
	"NoSpaceESP":   {"free space in the EFI system partition"},
	"NoSpaceCache": {"free space under /var/lib/updater"},
	"ESPNotMounted": {
		"mount the EFI system partition, then start the update again",
		"one that has become read-only by itself is damaged: unmount it, repair it (fsck.fat -a) and mount it again first",
	},
	"BootOrderConflict": {
		"another boot entry sorts before the new one: remove it, or set boot_order = \"set-default\" in [efiboot] of /usr/lib/updater/config.toml",
	},
	"WriteFailed": {
		"remove what the error names under /var/lib/updater/cache, if it does: the updater has not put it there",
		"otherwise the disk may be failing: see the journal (journalctl -u updaterd)",
	},
	"ReadBackMismatch": {"the disk may be failing: see the journal (journalctl -u updaterd)"},

	"ConfigInvalid": {"correct the file, then restart the service: systemctl restart updaterd"},
	"Internal":      {"this is a fault of the updater: see the journal (journalctl -u updaterd)"},

	// Standard names, from the bus or from the service.
	"AccessDenied": {"run it as root"},
	"InteractiveAuthorizationRequired": {
		"run it as root, or on a terminal, where you can be asked for a password (without --no-ask-password)",
	},
	"LimitsExceeded": {"wait a few seconds, then try again"},
	"ServiceUnknown": {"start the service: systemctl start updaterd"},
	"NameHasNoOwner": {"start the service: systemctl start updaterd"},
	"NoReply":        {"see what the service is doing with: systemctl status updaterd"},
	"NoServer":       {"is the message bus running? see: systemctl status dbus"},
}

// Hint is what can be done about the error with this short name, a line each.
func Hint(name string) []string {
	return hints[name]
}
