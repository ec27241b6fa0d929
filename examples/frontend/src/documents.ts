/** All operations of this frontend. `npm run codegen` checks them, and types their variables and results. */
import { graphql } from "./gql";

export const DESCRIBE = graphql(`
  query Describe {
    viewer {
      id
      name
    }
    diabetes {
      id
      title
      description
      features {
        id
        name
        title
        unit
        kind
        required
        minimum
        maximum
        computedFrom
        choices {
          name
          title
        }
      }
      champion {
        id
        number
        family
        metric
        score
      }
      builds(first: 1) {
        nodes {
          id
        }
      }
    }
  }
`);

export const PREDICT = graphql(`
  mutation Predict($input: DiabetesPredictInput!) {
    diabetesPredict(input: $input) {
      prediction {
        id
        value
        interval {
          low
          high
          level
        }
        model {
          id
          number
          family
        }
      }
    }
  }
`);

export const CORRECT = graphql(`
  mutation Correct($input: DiabetesFeedbackInput!) {
    diabetesFeedback(input: $input) {
      feedback {
        id
        value
        author
      }
      prediction {
        id
        truth
      }
    }
  }
`);

export const LIST = graphql(`
  query List($first: Int!, $after: String) {
    diabetes {
      id
      predictions(first: $first, after: $after) {
        totalCount
        pageInfo {
          hasNextPage
          endCursor
        }
        nodes {
          id
          value
          truth
          createdAt
          model {
            id
            number
          }
        }
      }
    }
  }
`);

export const BUILD = graphql(`
  mutation Build {
    requestBuild(input: { product: "diabetes" }) {
      build {
        id
      }
    }
  }
`);

export const WATCH = graphql(`
  subscription Watch($build: ID!) {
    buildProgress(build: $build) {
      __typename
      id
      sequence
      percent
      message
      final
      build {
        id
        number
        status
      }
    }
  }
`);
