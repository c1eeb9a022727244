## Verification: by number, by file, by code

verify-lead = See in a moment whether a certificate, a notice or a fee receipt of this service is genuine and still holds. Nothing has to be paid, and no account is needed.
verify-by-number = By number and name
verify-by-file = By the file
verify-file-words = Give the PDF as it was sent to you: a single changed byte is found. The file is looked at and not kept.
field-verify_file = PDF, credential or badge
hint-verify_file = Up to 8 MB; .pdf, .jwt or .json
verify-file-do = Check the file
verify-by-code = By the code
verify-code-words = Scan the code on the document with a phone: it leads to an address of this site. Look at the address before you trust the page.
verify-log-words = Every document is in a public log that nobody can rewrite unseen, this service included.
verify-address = Verified at this address
verify-print = Print this page as a record of the check.
verify-compare = Compare these lines with the document in front of you: a forger can put a genuine code on another paper.
verify-logged = Entry { $place } of { $size } in the public log.
verify-valid-deferral = A genuine notice of deferral
verify-valid-deferral-words = This notice was issued by this service and stands. It is not a certificate: the authentication is deferred.
verify-valid-refusal = A genuine notice of refusal
verify-valid-refusal-words = This notice was issued by this service and stands. It is not a certificate: the authentication was refused.
verify-changed = Not as we issued it
verify-changed-words = The file carries or claims a signature of ours that does not hold: it was changed, damaged, or signed by somebody else. Do not rely on it; ask the holder for the original file.
verify-foreign = Not one of our files
verify-foreign-words = The file carries no signature of this service. A scan or a print-out saved as PDF looks like this, too: check it by number and name, or by its code.
verify-unrecorded = Signed by us, but not in our records
verify-unrecorded-words = The signature holds, but this is not the file that was issued under its number. Ask the holder for the file as they downloaded it, or check by number and name.
error-verify_file-file-none = Choose a file first
error-verify_file-too-large = The file is larger than { $most } MB: none of our documents is
check-title = What was looked at
check-held = Holds:
check-failed = Does not hold:
check-file = One signature covers the whole file
check-file-failed = The file can't be read as a signed document of ours
check-signature = Nothing was changed since it was signed
check-signature-failed = The file was changed after it was signed
check-time-stamp = An independent authority confirms when
check-time-stamp-failed = The time-stamp does not hold
check-authority = Signed with this service's certificate
check-authority-failed = Signed by somebody else, or with a certificate that did not hold at the time
check-credential = The credential within is signed by this service
check-credential-failed = The credential is not signed by this service
check-agreement = Document and credential are of the same number
check-agreement-failed = Document and credential are of different numbers

## The holder's links and credentials

credential-title = For machines: credential and badge
credential-what = The same decision in forms that software verifies by itself, without asking us.
credential-jwt = Verifiable credential (JWT)
credential-json = Verifiable credential with a proof of its own (JSON)
credential-badge = Open Badge 3.0 (JWT)
share-title = Show it to somebody
share-lead = A link shows your document in full, with your name, until the day that you choose. You see who looked and when, and can end it at any time.
field-share_label = For whom
hint-share_label = Only you see this. For example: Sample Ltd, personnel
field-share_days = Good for
choice-share_days-7 = 7 days
choice-share_days-30 = 30 days
choice-share_days-90 = 90 days
share-make = Make a link
share-links = Your links
share-none = You have not made a link yet.
share-open = Open
share-expired = Expired
share-ended = Ended
share-when = Made { $made }, good until { $expires }.
share-ended-at = Ended { $at }.
share-no-looks = Nobody has looked yet.
share-looks = Who looked, as they gave their name:
share-end = End this link
error-too-many-links = { $most } links are open already: end one first
shared-title = A document shown to you
shared-lead = Its holder shows you a document of this service. Say who is looking: the holder sees your name, the time, and the first part of your network address.
field-share_looker = Your name and organisation
hint-share_looker = For example: Li Si, Sample Ltd
shared-do = Look at the document
shared-until = The link is good until { $at }.
shared-file = Download the PDF
shared-major = Major
shared-gone = This link leads nowhere
shared-gone-words = It was mistyped, its time is over, or its holder has ended it. Ask them for a new one.

## The public log

log-title = Public log of documents
log-lead = Every document that this service issues, replaces or takes back stands here, in the order in which it happened. Each entry is bound into those before it: nobody can leave one out, change one or slip one in afterwards without everybody being able to prove it. Documents are named by number and by the hash of their file; no person is.
log-size = Entries
log-root = Hash over all of them
log-signed = Signed
log-entries = Entries
log-empty = Nothing was issued yet.
log-at = When
log-kind = What
log-document = SHA-256 of the file
log-kind-issued = Issued
log-kind-superseded = Replaced
log-kind-revoked = Taken back
log-earlier = Earlier entries
log-later = Later entries
log-machines = For machines
log-machines-words = In the shapes of RFC 6962. Keep a head that you were given, and have it proved later that the log goes on from it:

## Taking a document back

act-revoke = Take the document back
act-revoke-words = The document no longer holds from this moment on, wherever it is verified, and the public log says so for ever. Use it when the result turns out to be wrong and no review is under way. The applicant is told, with your words.
event-revoked = Document taken back
notice-revoked-subject = Your document was taken back
notice-revoked-body = The document of application { $number } was taken back and no longer holds. Log in to see why; within a year of the result you can ask for a review.
rejection-nothing-to-revoke = There is no document that holds.
