// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import "golang.org/x/text/feature/plural"

// french has every phrase. Its spaces before units, colons and percent signs do
// not break (U+00A0), those before semicolons are narrow (U+202F).
var french = map[phrase]forms{
	appName: {other: "Mises à jour du système"},

	availableTitle:    {other: "Mise à jour disponible"},
	availableBody:     {other: "La version %s peut être installée\u202f; la version %s est en service. Vous pouvez continuer à travailler pendant ce temps."},
	availableSize:     {other: "%s à télécharger."},
	availableNoButton: {other: "Pour l’installer, exécutez\u00a0: updaterctl update"},
	planDownload:      {other: "À télécharger\u00a0: %s\u202f; à écrire\u00a0: %s."},
	planRestart:       {other: "Le système actuel reste tel quel et pourra être redémarré."},

	progressTitle: {other: "Mise à jour en cours"},
	updateTitle:   {other: "Mise à jour"},
	progressBody:  {other: "%s\u00a0: %d\u00a0%%"},

	stageChecking:   {other: "Interrogation du serveur"},
	stageFetching:   {other: "Téléchargement"},
	stageVerifying:  {other: "Vérification"},
	stageInstalling: {other: "Installation"},
	stageSwapping:   {other: "Finalisation"},
	stageUnknown:    {other: "En cours"},

	readyTitle:     {other: "Redémarrage nécessaire"},
	readyBody:      {other: "La version %s est installée et sera lancée au redémarrage de l’ordinateur."},
	readyInhibited: {other: "Pas de redémarrage\u00a0: %s s’y oppose (%s)."},
	readyRefused:   {other: "Pas de redémarrage\u00a0: l’autorisation d’un administrateur est nécessaire."},
	readyNoLogind:  {other: "Pas de redémarrage\u00a0: la demande n’a pas abouti. Utilisez le menu de votre bureau."},
	plannedTitle:   {other: "Redémarrage cette nuit"},
	plannedBody: {
		other: "La version %s sera lancée vers %s. Le redémarrage attend que l’ordinateur ne soit plus utilisé, et vous êtes prévenu dix minutes avant.",
	},
	imminentTitle:  {other: "Redémarrage à %s"},
	imminentBody:   {other: "Cet ordinateur redémarre avec la version %s, comme convenu. Enregistrez votre travail, ou empêchez le redémarrage."},
	imminentNotice: {other: "Pour empêcher le redémarrage, fermez ce message."},

	failedTitle:     {other: "Échec de la mise à jour"},
	failedUnchanged: {other: "Votre système n’a pas été modifié."},
	failedNoButton:  {other: "Pour réessayer, exécutez\u00a0: updaterctl update"},
	failedCode:      {other: "(%s)"},
	failedNetwork:   {other: "Le serveur de mise à jour est injoignable. Vérifiez le réseau, puis réessayez."},
	failedServer:    {other: "Le serveur de mise à jour n’a pas répondu correctement. Réessayez plus tard\u202f; si cela persiste, prévenez votre administrateur."},
	failedUntrusted: {other: "Ce que le serveur a proposé n’a pas pu être vérifié et a été refusé. Prévenez votre administrateur."},
	failedSpace:     {other: "Il n’y a pas assez de place pour la mise à jour. Prévenez votre administrateur."},
	failedDisk: {
		other: "La mise à jour n’a pas pu être écrite sans erreur. Le disque est peut-être défaillant\u00a0: sauvegardez vos fichiers et prévenez votre administrateur.",
	},
	failedInterrupt: {other: "La mise à jour a été interrompue. Rien n’est perdu\u00a0: réessayez."},
	failedRefused:   {other: "Vous n’avez pas le droit de faire cela. Adressez-vous à votre administrateur."},
	failedBusy:      {other: "Le service de mise à jour est occupé. Réessayez dans quelques minutes."},
	failedService:   {other: "Le service de mise à jour ne répond pas. Prévenez votre administrateur."},
	failedBefore:    {other: "Cette version n’a pas démarré sur cet ordinateur. Attendez la suivante, ou adressez-vous à votre administrateur."},
	failedOther:     {other: "Prévenez votre administrateur\u202f; «\u00a0updaterctl status\u00a0» montre ce qui s’est passé."},

	rolledBackTitle: {other: "Retour à la version %s"},
	rolledBackBody: {
		other: "Votre ordinateur est revenu à la version %s car la version %s n’a pas démarré correctement. Vos fichiers ne sont pas touchés.",
	},
	staleTitle: {other: "Mises à jour non vérifiées"},
	staleBody: {
		plural.One: "Depuis %d\u00a0jour, aucune réponse du serveur de mise à jour n’a pu être vérifiée. Vérifiez le réseau\u202f; s’il fonctionne, prévenez votre administrateur.",
		other:      "Depuis %d\u00a0jours, aucune réponse du serveur de mise à jour n’a pu être vérifiée. Vérifiez le réseau\u202f; s’il fonctionne, prévenez votre administrateur.",
	},
	staleNever: {
		other: "Aucune réponse du serveur de mise à jour n’a encore pu être vérifiée. Vérifiez le réseau\u202f; s’il fonctionne, prévenez votre administrateur.",
	},
	staleNoButton: {other: "Pour interroger le serveur, exécutez\u00a0: updaterctl check"},

	buttonInstall: {other: "Installer"},
	buttonRetry:   {other: "Réessayer"},
	buttonDetails: {other: "Détails"},
	buttonRestart: {other: "Redémarrer"},
	buttonTonight: {other: "Cette nuit"},
	buttonStay:    {other: "Ne pas redémarrer"},
	buttonCheck:   {other: "Vérifier"},
	buttonLater:   {other: "Plus tard"},

	leftSeconds: {other: "moins d’une minute restante"},
	leftMinutes: {plural.One: "environ %d\u00a0minute restante", other: "environ %d\u00a0minutes restantes"},
	leftHours:   {plural.One: "environ %d\u00a0heure restante", other: "environ %d\u00a0heures restantes"},

	sizeBytes:     {plural.One: "%d\u00a0octet", other: "%d\u00a0octets"},
	sizeKilobytes: {other: "%.0f\u00a0ko"},
	sizeMegabytes: {other: "%.1f\u00a0Mo"},
	sizeGigabytes: {other: "%.1f\u00a0Go"},

	statusUpToDate:   {other: "À jour"},
	statusChecking:   {other: "Vérification"},
	statusAvailable:  {other: "Mise à jour disponible\u00a0: %s"},
	statusReady:      {other: "Redémarrer pour %s"},
	statusFailed:     {other: "Échec de la mise à jour"},
	statusGone:       {other: "Pas de service de mise à jour"},
	statusHeld:       {other: "Mises à jour suspendues"},
	tooltipRunning:   {other: "En service\u00a0: %s"},
	tooltipLastCheck: {other: "Dernière vérification réussie\u00a0: %s"},
	tooltipNever:     {other: "Dernière vérification réussie\u00a0: jamais"},
}
