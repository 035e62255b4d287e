// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

// action is something a caller needs a right for: the last part of the name of
// a polkit action.
type action string

// The actions. Who may do what without being asked is polkit's to say.
const (
	actionCheck           action = "check"
	actionUpdate          action = "update"
	actionUpdateToVersion action = "update-to-version"
	actionCancel          action = "cancel"
	actionRollback        action = "rollback"
	actionHold            action = "hold"
	actionMarkBoot        action = "mark-boot"
	actionReload          action = "reload"
)

// actions are all there are.
var actions = []action{
	actionCheck, actionUpdate, actionUpdateToVersion, actionCancel,
	actionRollback, actionHold, actionMarkBoot, actionReload,
}
