/* A place on a map: the host's own where it has one, else a page of a public map. */

/* Amap's URI (uri.amap.com/marker): GCJ-02, longitude first. */
export function mapUrl({ lat, lng, name }) {
  return `https://uri.amap.com/marker?position=${lng},${lat}&name=${encodeURIComponent(name || "")}`;
}
