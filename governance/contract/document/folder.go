package document

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// Read reads the file at a location, an absolute URL without a fragment.
type Read func(ctx context.Context, location *url.URL) ([]byte, error)

// Refused is the error of a Read that does not allow a location. The reason says how to allow it.
type Refused struct{ Reason string }

func (e *Refused) Error() string { return e.Reason }

// AnyOf asks one Read after the other. The first that does not refuse a location decides; if all refuse, the error
// tells the reasons.
func AnyOf(reads ...Read) Read {
	return func(ctx context.Context, location *url.URL) ([]byte, error) {
		var reasons []string
		for _, read := range reads {
			text, err := read(ctx, location)
			if refused, is := errors.AsType[*Refused](err); is {
				reasons = append(reasons, refused.Reason)
				continue
			}
			return text, err
		}
		return nil, &Refused{strings.Join(reasons, "; ")}
	}
}

// maxFolderFile is how large a file may be that FolderOnly reads, in bytes.
const maxFolderFile = 64 << 20

// FolderOnly reads file URLs of regular files up to 64 MiB inside the folder root, an absolute path, and refuses
// everything else. Symbolic links count as what they point to: they must not lead out of the folder.
func FolderOnly(root string) Read {
	return func(_ context.Context, location *url.URL) ([]byte, error) {
		inside, err := insideFolder(root, location)
		if err != nil {
			return nil, err
		}
		// Between the look above and this a link may have been replaced: os.Root does not follow one that leads out.
		real, err := filepath.EvalSymlinks(root)
		if err != nil {
			return nil, err
		}
		folder, err := os.OpenRoot(real)
		if err != nil {
			return nil, err
		}
		defer folder.Close()
		info, err := folder.Stat(inside)
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() { // opening a pipe would wait for ever
			return nil, fmt.Errorf("%s is not a regular file", location.Path)
		}
		file, err := folder.Open(inside)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		return readAll(file, maxFolderFile, location.Path)
	}
}

// insideFolder is the path of a location below the folder, without symbolic links.
func insideFolder(root string, location *url.URL) (string, error) {
	switch {
	case location.Scheme != "file":
		return "", &Refused{fmt.Sprintf("only files in %s may be referred to", root)}
	case location.Host != "" && location.Host != "localhost":
		return "", &Refused{fmt.Sprintf("file URLs must not name a host such as %q: "+
			"write a path relative to the document", location.Host)}
	case location.RawQuery != "" || location.User != nil:
		return "", &Refused{"file URLs must have neither a user nor a query"}
	case strings.ContainsAny(location.Path, "\\\x00"):
		return "", &Refused{"paths must not contain backslashes and NUL: separate folders by slashes"}
	case !filepath.IsAbs(location.Path):
		return "", &Refused{"a file URL must have an absolute path"}
	}
	outside := &Refused{fmt.Sprintf("%s is not inside of %s, and only files there may be referred to: move it there",
		filepath.Clean(location.Path), root)}
	given, err := filepath.Rel(filepath.Clean(root), filepath.Clean(location.Path))
	if err != nil || !filepath.IsLocal(given) {
		return "", outside
	}
	// What a symbolic link before a .. would lead to does not count: the path has been cleaned, as URLs are.
	name, err := filepath.EvalSymlinks(filepath.Join(root, given))
	if err != nil {
		return "", err
	}
	folder, err := filepath.EvalSymlinks(root)
	if err != nil {
		return "", err
	}
	inside, err := filepath.Rel(folder, name)
	if err != nil || !filepath.IsLocal(inside) {
		outside.Reason = fmt.Sprintf("%s leads out of %s by a symbolic link, and only files there may be referred to: "+
			"copy it there", filepath.Clean(location.Path), root)
		return "", outside
	}
	return inside, nil
}

// readAll reads at most a number of bytes.
func readAll(r io.Reader, most int64, name string) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(text)) > most {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, most)
	}
	return text, err
}
