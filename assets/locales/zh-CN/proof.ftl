## 核验：凭编号、凭文件、凭二维码

verify-lead = 即时核验本服务出具的认证书、通知单或收讫证明是否真实、目前是否有效。无需付费，也无需账号。
verify-by-number = 凭编号和姓名
verify-by-file = 凭文件
verify-file-words = 请上传收到的 PDF 原文件，哪怕改动一个字节也能发现。文件仅用于核验，不会保存。
field-verify_file = PDF、可验证凭证或徽章
hint-verify_file = 不超过 8 MB；.pdf、.jwt 或 .json
verify-file-do = 核验文件
verify-by-code = 凭二维码
verify-code-words = 用手机扫描文件上的二维码，会打开本网站的页面。请先确认网址，再相信页面内容。
verify-log-words = 每份文件都记入公开日志，包括本服务在内，任何人都无法悄悄改写。
verify-address = 核验网址
verify-print = 可打印本页作为核验记录。
verify-compare = 请与手中的文件逐项对照：伪造者可能把真的二维码放在别的文件上。
verify-logged = 公开日志共 { $size } 条，本文件为第 { $place } 条。
verify-valid-deferral = 暂不认证通知单属实
verify-valid-deferral-words = 本通知单由本服务出具，目前有效。它不是认证书：该申请暂不予认证。
verify-valid-refusal = 不予认证通知单属实
verify-valid-refusal-words = 本通知单由本服务出具，目前有效。它不是认证书：该申请不予认证。
verify-changed = 与出具时不一致
verify-changed-words = 文件带有或声称带有本服务的签名，但签名不成立：文件被改动、损坏，或由他人签名。请勿采信，并向持有人索取原文件。
verify-foreign = 不是本服务的文件
verify-foreign-words = 文件不含本服务的签名。扫描件或打印后另存的 PDF 也会如此，请改用编号和姓名或二维码核验。
verify-unrecorded = 签名属实，但与记录不符
verify-unrecorded-words = 签名成立，但它不是以该编号出具的那份文件。请向持有人索取其下载的原文件，或凭编号和姓名核验。
error-verify_file-file-none = 请先选择文件
error-verify_file-too-large = 文件超过 { $most } MB，本服务出具的文件不会这么大
check-title = 核验项目
check-held = 通过：
check-failed = 未通过：
check-file = 一个签名覆盖整个文件
check-file-failed = 无法作为本服务签名的文件读取
check-signature = 签名后没有任何改动
check-signature-failed = 文件在签名后被改动
check-time-stamp = 独立机构证明签名时间
check-time-stamp-failed = 时间戳不成立
check-authority = 由本服务的证书签名
check-authority-failed = 由他人签名，或签名时证书无效
check-credential = 所附凭证由本服务签名
check-credential-failed = 凭证不是由本服务签名
check-agreement = 文件与所附凭证编号一致
check-agreement-failed = 文件与所附凭证编号不一致

## 持有人的链接与凭证

credential-title = 供机器核验：可验证凭证与徽章
credential-what = 同一结果的机器可读形式，软件可自行核验，无需询问本服务。
credential-jwt = 可验证凭证（JWT）
credential-json = 自带证明的可验证凭证（JSON）
credential-badge = 开放徽章 3.0（JWT）
share-title = 出示给他人
share-lead = 通过链接可在您选定的期限内查看您的文件全文和姓名。您能看到谁在何时查看过，并可随时终止。
field-share_label = 出示给谁
hint-share_label = 仅您自己可见，例如：样例公司人事部
field-share_days = 有效期
choice-share_days-7 = 7 天
choice-share_days-30 = 30 天
choice-share_days-90 = 90 天
share-make = 生成链接
share-links = 已有链接
share-none = 您还没有生成过链接。
share-open = 有效
share-expired = 已过期
share-ended = 已终止
share-when = { $made } 生成，有效期至 { $expires }。
share-ended-at = 于 { $at } 终止。
share-no-looks = 尚无人查看。
share-looks = 查看记录（姓名由查看人填写）：
share-end = 终止链接
error-too-many-links = 已有 { $most } 个有效链接，请先终止一个
shared-title = 出示给您的文件
shared-lead = 持有人向您出示一份本服务出具的文件。请填写查看人：持有人会看到您填写的姓名、查看时间和网络地址的前几位。
field-share_looker = 您的姓名和单位
hint-share_looker = 例如：样例公司 李四
shared-do = 查看文件
shared-until = 链接有效期至 { $at }。
shared-file = 下载 PDF
shared-major = 专业
shared-gone = 链接无效
shared-gone-words = 链接有误、已过期，或已被持有人终止。请向持有人索取新的链接。

## 公开日志

log-title = 文件公开日志
log-lead = 本服务出具、替代或撤销的每份文件都按发生的先后记在这里。每一条都与之前的各条环环相扣：任何人事后遗漏、改动或插入一条，都能被所有人证明。日志只记编号和文件的散列值，不含任何个人信息。
log-size = 条数
log-root = 全部条目的散列值
log-signed = 签名时间
log-entries = 条目
log-empty = 尚未出具任何文件。
log-at = 时间
log-kind = 事项
log-document = 文件的 SHA-256
log-kind-issued = 出具
log-kind-superseded = 被替代
log-kind-revoked = 撤销
log-earlier = 更早
log-later = 更晚
log-machines = 供机器使用
log-machines-words = 接口形式依 RFC 6962。请保存取得的签名头，日后可要求证明日志由它延续而来：

## 撤销文件

act-revoke = 撤销文件
act-revoke-words = 撤销后，该文件在任何核验渠道都不再有效，公开日志将永久记载。仅用于结果有误且未在复核的情况。申请人会收到通知和您的说明。
event-revoked = 文件已撤销
notice-revoked-subject = 您的文件已被撤销
notice-revoked-body = 认证申请 { $number } 的文件已被撤销，不再有效。请登录系统查看原因；自获得结果之日起一年内可申请复核。
rejection-nothing-to-revoke = 没有有效的文件可撤销。
