/** The race test, in Nepali. */
export default {
  "Buyer {number}": "ग्राहक {number}",
  "Has the seat": "सिट पायो",
  "Registering buyer {at} of {all} …": "{all} मध्ये ग्राहक {at} दर्ता हुँदै …",
  "Many buyers ask for one and the same seat at the same moment. One gets it, everybody else is told so at once.": "धेरै ग्राहकले एकै क्षणमा एउटै सिट माग्छन्। एक जनाले पाउँछ, अरू सबैलाई तुरुन्तै भनिन्छ।",
  "Event": "कार्यक्रम",
  "Buyers": "ग्राहक",
  "Start": "सुरु",
  "The seat: {seat}": "सिट: {seat}",
  "{time} ms": "{time} मि.से.",
  "{n} buyer has the seat": "{n} ग्राहकले सिट पायो",
  "{n} buyers have the seat": "{n} ग्राहकले सिट पाए",
  "Rounds: {rounds}, winners: {winners}.": "चरण: {rounds}, विजेता: {winners}।",
};
