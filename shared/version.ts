/** What `meridian version` prints and nodes tell each other; a test holds it equal to package.json's. */
export const VERSION = "0.1.0";
