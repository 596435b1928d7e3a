/** The organizer's pages, in Nepali. */
export default {};
