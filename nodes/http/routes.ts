/**
 * The endpoints of a node: what is asked, by which method, what a caller must be allowed to do, and who answers. An
 * endpoint that is not in this table does not exist, and one that declares no access does not compile.
 *
 * Where two paths match, the first counts; so `blobs/uploads/` stands before `blobs/<digest>`.
 */
import {
  getCluster,
  getConflicts,
  getHistory,
  getLag,
  getReplication,
  getRepositories,
  getTagStates,
  postMember,
  postRelease,
  postVerify,
  postWait,
} from "./api.ts";
import { blobAtHand, blobHeadAtHand, deleteBlob, getBlob, headBlob } from "./blobs.ts";
import type { Listener, Route } from "./call.ts";
import { livez, metricsPage, readyz, regionHealth, startupz } from "./health.ts";
import { base, discover, getCatalog, getReferrers, getTags } from "./listings.ts";
import { deleteManifest, getManifest, manifestAtHand, putManifest } from "./manifests.ts";
import { openApi } from "./open-api.ts";
import { deleteUpload, getUpload, patchUpload, postUpload, putUpload } from "./uploads.ts";
import { welcome } from "./welcome.ts";

const REGISTRY: readonly Listener[] = ["registry"];
const OPS: readonly Listener[] = ["ops"];
const BOTH: readonly Listener[] = ["registry", "ops"];

const UPLOADS = "/v2/<name>/blobs/uploads/";
const UPLOAD = "/v2/<name>/blobs/uploads/<id>";
const BLOB = "/v2/<name>/blobs/<digest>";
const MANIFEST = "/v2/<name>/manifests/<reference>";
const TAGS = "/v2/<name>/tags/list";
const REFERRERS = "/v2/<name>/referrers/<digest>";
const DISCOVER = "/v2/_oci/ext/discover";
const DISCOVER_IN = "/v2/<name>/_oci/ext/discover";
const API = "/api/v1";

// biome-ignore format: the columns of the table are the point
export const ROUTES: readonly Route[] = [
  // distribution-spec, "Endpoints", by its numbers
  /*  1 */ { method: "GET",    path: "/v2/",           access: "login",   listeners: REGISTRY, answer: base },
  /*    */ { method: "HEAD",   path: "/v2/",           access: "login",   listeners: REGISTRY, answer: base },
  /*  4 */ { method: "POST",   path: UPLOADS,          access: "push",    listeners: REGISTRY, answer: postUpload },
  /* 11 is 4 with ?mount= */
  /*  5 */ { method: "PATCH",  path: UPLOAD,           access: "push",    listeners: REGISTRY, answer: patchUpload },
  /*  6 */ { method: "PUT",    path: UPLOAD,           access: "push",    listeners: REGISTRY, answer: putUpload },
  /* 13 */ { method: "GET",    path: UPLOAD,           access: "push",    listeners: REGISTRY, answer: getUpload },
  /*    */ { method: "HEAD",   path: UPLOAD,           access: "push",    listeners: REGISTRY, answer: getUpload },
  /* 14 */ { method: "DELETE", path: UPLOAD,           access: "push",    listeners: REGISTRY, answer: deleteUpload },
  /*  2 */ { method: "GET",    path: BLOB,             access: "pull",    listeners: REGISTRY, answer: getBlob,        atHand: blobAtHand },
  /*    */ { method: "HEAD",   path: BLOB,             access: "pull",    listeners: REGISTRY, answer: headBlob,       atHand: blobHeadAtHand },
  /* 10 */ { method: "DELETE", path: BLOB,             access: "delete",  listeners: REGISTRY, answer: deleteBlob },
  /*  3 */ { method: "GET",    path: MANIFEST,         access: "pull",    listeners: REGISTRY, answer: getManifest,    atHand: manifestAtHand },
  /*    */ { method: "HEAD",   path: MANIFEST,         access: "pull",    listeners: REGISTRY, answer: getManifest,    atHand: manifestAtHand },
  /*  7 */ { method: "PUT",    path: MANIFEST,         access: "push",    listeners: REGISTRY, answer: putManifest },
  /*  9 */ { method: "DELETE", path: MANIFEST,         access: "delete",  listeners: REGISTRY, answer: deleteManifest },
  /*  8 */ { method: "GET",    path: TAGS,             access: "pull",    listeners: REGISTRY, answer: getTags },
  /*    */ { method: "HEAD",   path: TAGS,             access: "pull",    listeners: REGISTRY, answer: getTags },
  /* 12 */ { method: "GET",    path: REFERRERS,        access: "pull",    listeners: REGISTRY, answer: getReferrers },
  /*    */ { method: "HEAD",   path: REFERRERS,        access: "pull",    listeners: REGISTRY, answer: getReferrers },

  // not in the specification's table, and expected by clients all the same
  { method: "GET",  path: "/v2/_catalog",              access: "catalog", listeners: REGISTRY, answer: getCatalog },
  { method: "HEAD", path: "/v2/_catalog",              access: "catalog", listeners: REGISTRY, answer: getCatalog },
  { method: "GET",  path: DISCOVER,                    access: "login",   listeners: REGISTRY, answer: discover },
  { method: "GET",  path: DISCOVER_IN,                 access: "pull",    listeners: REGISTRY, answer: discover },

  // the management API
  { method: "GET",  path: `${API}/openapi.json`,       access: "none",    listeners: REGISTRY, answer: openApi },
  { method: "GET",  path: `${API}/cluster`,            access: "observe", listeners: REGISTRY, answer: getCluster },
  { method: "GET",  path: `${API}/cluster/lag`,        access: "observe", listeners: REGISTRY, answer: getLag },
  { method: "GET",  path: `${API}/replication`,        access: "observe", listeners: REGISTRY, answer: getReplication },
  { method: "POST", path: `${API}/wait`,               access: "observe", listeners: REGISTRY, answer: postWait },
  { method: "POST", path: `${API}/members`,            access: "manage",  listeners: REGISTRY, answer: postMember },
  { method: "POST", path: `${API}/verify`,             access: "observe", listeners: REGISTRY, answer: postVerify },
  { method: "POST", path: `${API}/release`,            access: "manage",  listeners: REGISTRY, answer: postRelease },
  { method: "GET",  path: `${API}/conflicts`,          access: "observe", listeners: REGISTRY, answer: getConflicts },
  { method: "GET",  path: `${API}/repositories`,       access: "observe", listeners: REGISTRY, answer: getRepositories },
  { method: "GET",  path: `${API}/repositories/<name>/tags`,
                                                       access: "observe", listeners: REGISTRY, answer: getTagStates },
  { method: "GET",  path: `${API}/repositories/<name>/tags/<tag>/history`,
                                                       access: "observe", listeners: REGISTRY, answer: getHistory },

  // people, orchestrators and balancers
  { method: "GET",  path: "/",                         access: "none",    listeners: REGISTRY, answer: welcome },
  { method: "HEAD", path: "/",                         access: "none",    listeners: REGISTRY, answer: welcome },
  { method: "GET",  path: "/livez",                    access: "none",    listeners: BOTH,     answer: livez },
  { method: "GET",  path: "/readyz",                   access: "none",    listeners: BOTH,     answer: readyz },
  { method: "GET",  path: "/startupz",                 access: "none",    listeners: OPS,      answer: startupz },
  { method: "GET",  path: "/healthz/region",           access: "none",    listeners: OPS,      answer: regionHealth },
  { method: "GET",  path: "/metrics",                  access: "none",    listeners: OPS,      answer: metricsPage },
];
