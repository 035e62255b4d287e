// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import "golang.org/x/text/feature/plural"

// phrase is a text in English, by which its translations are found.
type phrase string

// What the program says, all of it; docs/desktop.md says how to translate it.
// Versions, names of programs and messages are put in as they are; %d is a
// number that may need another form of the words around it.
const (
	appName phrase = "System updates"

	availableTitle    phrase = "System update available"
	availableBody     phrase = "Version %s can be installed; %s is running. You can go on working meanwhile."
	availableSize     phrase = "%s to download."
	availableNoButton phrase = "To install it, run: updaterctl update"
	planDownload      phrase = "To download: %s; to write: %s."
	planRestart       phrase = "The system that runs now stays as it is and can be started again."

	progressTitle phrase = "Installing the update"
	updateTitle   phrase = "System update"
	progressBody  phrase = "%s: %d%%"

	stageChecking   phrase = "Asking the update server"
	stageFetching   phrase = "Downloading"
	stageVerifying  phrase = "Verifying"
	stageInstalling phrase = "Installing"
	stageSwapping   phrase = "Finishing"
	stageUnknown    phrase = "Working"

	readyTitle     phrase = "Restart to update"
	readyBody      phrase = "Version %s is installed and starts when the computer is restarted."
	readyInhibited phrase = "Not restarted: %s prevents it (%s)."
	readyRefused   phrase = "Not restarted: this needs an administrator's permission."
	readyNoLogind  phrase = "Not restarted: it could not be asked for. Please use the menu of your desktop."
	plannedTitle   phrase = "Restart tonight"
	plannedBody    phrase = "Version %s starts at about %s. It is put off while somebody uses the computer, and you are told ten minutes before."
	imminentTitle  phrase = "Restart at %s"
	imminentBody   phrase = "This computer restarts with version %s, as you agreed. Save your work, or keep it from restarting."
	imminentNotice phrase = "To keep it from restarting, close this message."

	failedTitle      phrase = "System update failed"
	failedUnchanged  phrase = "Your system is as it was before."
	failedNoButton   phrase = "To try again, run: updaterctl update"
	failedCode       phrase = "(%s)"
	failedNetwork    phrase = "The update server could not be reached. Check the network, then try again."
	failedServer     phrase = "The update server did not give a proper answer. Try again later; if it goes on, tell your administrator."
	failedUntrusted  phrase = "What the server offered could not be verified and was refused. Tell your administrator."
	failedSpace      phrase = "There is not enough room for the update. Tell your administrator."
	failedDisk       phrase = "The update could not be written without errors. The disk may be failing: back up your files and tell your administrator."
	failedInterrupt  phrase = "The update was interrupted. Nothing is lost: try again."
	failedRefused    phrase = "You are not allowed to do this. Ask your administrator."
	failedBusy       phrase = "The update service is busy with something else. Try again in a few minutes."
	failedService    phrase = "The update service does not answer. Tell your administrator."
	failedBefore     phrase = "This version did not start on this computer before. Wait for a newer one, or ask your administrator."
	failedOther      phrase = "Tell your administrator; \"updaterctl status\" shows what happened."
	rolledBackTitle  phrase = "Back to version %s"
	rolledBackBody   phrase = "Your computer went back to %s because %s did not start properly. Your files are not affected."
	staleTitle       phrase = "Updates not verified"
	staleBody        phrase = "For %d days no answer of the update server could be verified. Check the network; if it works, tell your administrator."
	staleNever       phrase = "No answer of the update server could be verified so far. Check the network; if it works, tell your administrator."
	staleNoButton    phrase = "To ask the server, run: updaterctl check"
	buttonInstall    phrase = "Install now"
	buttonRetry      phrase = "Try again"
	buttonDetails    phrase = "Details"
	buttonRestart    phrase = "Restart now"
	buttonTonight    phrase = "Tonight"
	buttonStay       phrase = "Do not restart"
	buttonCheck      phrase = "Check now"
	buttonLater      phrase = "Later"
	leftSeconds      phrase = "less than a minute left"
	leftMinutes      phrase = "about %d minutes left"
	leftHours        phrase = "about %d hours left"
	sizeBytes        phrase = "%d bytes"
	sizeKilobytes    phrase = "%.0f kB"
	sizeMegabytes    phrase = "%.1f MB"
	sizeGigabytes    phrase = "%.1f GB"
	statusUpToDate   phrase = "Up to date"
	statusChecking   phrase = "Checking"
	statusAvailable  phrase = "Update available: %s"
	statusReady      phrase = "Restart for %s"
	statusFailed     phrase = "Update failed"
	statusGone       phrase = "No update service"
	statusHeld       phrase = "Updates held"
	tooltipRunning   phrase = "Running: %s"
	tooltipLastCheck phrase = "Last verified check: %s"
	tooltipNever     phrase = "Last verified check: never"
)

// english has the phrases whose words depend on a number; all others are their
// own translation.
var english = map[phrase]forms{
	staleBody: {
		plural.One: "For a day no answer of the update server could be verified. Check the network; if it works, tell your administrator.",
	},
	leftMinutes: {plural.One: "about a minute left"},
	leftHours:   {plural.One: "about an hour left"},
	sizeBytes:   {plural.One: "%d byte"},
}
