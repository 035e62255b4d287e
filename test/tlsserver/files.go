// SPDX-License-Identifier: LGPL-2.1-or-later

package tlsserver

import (
	"fmt"
	"net/http"
	"os"
	"path"
)

// Files serves the regular files below webroot, with ranges and validators as
// a common web server has them. Folders are not listed and nothing redirects.
func Files(webroot string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		file, err := os.OpenInRoot(webroot, path.Clean("."+r.URL.Path))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		defer file.Close()
		info, err := file.Stat()
		if err != nil || !info.Mode().IsRegular() {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("ETag", fmt.Sprintf(`"%x-%x"`, info.ModTime().UnixNano(), info.Size()))
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", info.ModTime(), file)
	})
}
