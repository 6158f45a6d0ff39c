# SPDX-License-Identifier: GPL-2.0-or-later
# CHANGELOG.md as Debian writes it: awk -f changelog.awk -v who=MAINTAINER -v now='RFC 2822 DATE' -v version=VERSION CHANGELOG.md
# A section is "## VERSION (DATE)"; of the first one VERSION is the one given, and its date is now.

function entry(   words, n, i, line) {
	if (text == "")
		return
	n = split(text, words, " ")
	line = "  *"
	for (i = 1; i <= n; i++) {
		if (length(line) + 1 + length(words[i]) > 78) {
			print line
			line = "   "
		}
		line = line " " words[i]
	}
	print line
	text = ""
}

function close_section() {
	entry()
	if (sections++)
		printf "\n -- %s  %s\n\n", who, date
}

/^## / {
	close_section()
	date = now
	if (sections > 1) {
		version = $2
		gsub(/[()]/, "", $3)
		"LC_ALL=C date -u -R -d " $3 | getline date
	}
	printf "kmend (%s) bookworm; urgency=medium\n\n", version
	next
}
/^- / { entry(); text = substr($0, 3); next }
/^  / { text = text " " $0 }
END { close_section() }
