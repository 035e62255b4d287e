// SPDX-License-Identifier: LGPL-2.1-or-later

// Package policy decides, and does nothing else: which strings are versions,
// whether an offered version may be installed, which volume it goes to, when
// to ask again, why nothing happens now. It keeps no state and reads nothing
// but the system's time zones, so that every decision can be read, and tested,
// as a table.
//
// # Versions
//
// A version comes from an update server that nobody has authenticated yet,
// and becomes part of a URL, a volume's name and a file's name on a FAT file
// system. [ParseVersion] therefore takes less than semantic versioning allows.
//
// # Going back
//
// A server, or whoever has taken it over, may offer an old release that was
// signed properly long ago. [Accept] refuses whatever is not newer than the
// running version, and whatever is older than the highest version that ever
// came up good on this machine, so that booting the fallback once does not
// open the door to a release in between.
//
// # What happens by itself
//
// [Rules] are what the administrator allows, [Conditions] what the machine is
// like now; [Rules.Blockers] and [Rules.FetchBlockers] hold one against the
// other and say every reason why nothing happens, not only the first. What a
// rule asks for and nobody can tell is a reason too. A reason's text quotes
// what came from elsewhere, and is short.
package policy
